"""The Loihi 2 backend: a board, through Intel's extension of Lava, which only members of its community have.

The network is the exported netx file in lava-dl's own ``netx.hdf5.Network``, which is how convolutions with
shared kernels come to Intel's compiler for Loihi 2. It runs in a process of its own, as Lava on the CPU does;
``worker/`` is that process's program. Without the extension there is no number.
"""

from deploy.backends.loihi2.backend import run

__all__ = ["run"]
