"""lava-dl's netx description of a network, ``.net``: HDF5 that ``lava.lib.dl.netx.hdf5.Network`` reads.

The file is a chain of blocks, ``/layer/0`` (the input's shape), ``/layer/1``, ... with the fields of lava-dl
0.6: ``type``, ``shape``, ``neuron/{type, iDecay, vDecay, vThMant, refDelay, gradedSpike}``, ``weight``,
``weight_rec``, ``bias``, ``delay``, ``stride``, ``padding``, ``dilation``, ``groups``. The integers are the
graph's, so Lava's fixed-point simulation of the file has its spikes.

netx has neither pools nor axonal delays of convolutions, so these are written in other words
(:mod:`deploy.formats.netx.blocks`):

* a pool before a convolution as one convolution, whose kernel repeats each element over the pool's window;
* a maximum over spikes as a depthwise convolution;
* a convolution with delays, or whose pool leaves out a border, and all that comes after it, as dense layers.

What netx does not take from the file, but as arguments of ``Network``, is in the attributes of the root:
``input_message_bits``, ``reset_interval`` and ``reset_offset`` (1, since netx resets one step early at 0).
``one_sample_a_run`` is true where spikes are under way for more than a step, in delays or recurrence: Lava
lets them through into the next sample. Spikes that biases fire before the first input arrives would get into
the first sample in the same way, and such a graph is refused (:mod:`deploy.formats.netx.start`); so are
dense weights that Lava would clip (:mod:`deploy.formats.netx.weights`). Attributes of a block's group:
``name``, ``kept`` (which of the network's channels or neurons its are) and ``network_shape``.
"""

from deploy.formats.netx.blocks import Block, netx_blocks, one_sample_a_run
from deploy.formats.netx.writer import save

__all__ = ["Block", "netx_blocks", "one_sample_a_run", "save"]
