r"""Synaptic memory of a Loihi 1 core, by the model of nengo-loihi (``SynapseConfig.bits_per_axon``).

An input axon points to a list of synapses. A list is stored in blocks of 64 weights, and each started block
of :math:`n` weights takes whole words of 64 bits, a header of 10 bits included:

.. math:: 64 \left\lceil \frac{n\,b + 10}{64} \right\rceil, \qquad
          b = b_\text{weight} + b_\text{delay} + b_\text{tag} + b_\text{index}

The index says which neuron of the core a weight goes to. It is absent where a list has a weight for every
neuron of the core in turn (``dense``). Otherwise one width serves all lists on a core: the least that holds
the largest index, of the available sizes (none, or 6 to 12 bits).

How each encoding is counted:

``dense``
    One list an input axon, with a weight for each neuron on the core, zeros included: each of them is a
    synaptic event like any other.
``sparse``
    One list an input axon, with the surviving synapses alone; indices count from the core's first neuron.
``convolution``
    Lists as in ``sparse`` (a zero inside a kernel is not stored), but an axon adds an offset of less than 256
    to the indices of its list, so that axons at different positions can share one. Lists with the same
    weights and the same remaining indices are stored once, as nengo-loihi stores convolutions.

An axon without synapses on a core has no list there. Lists of a convolution with other delays are not the
same. The delay takes as many bits as the longest of the layer.
"""

import numpy as np
from scipy import sparse

from deploy.errors import HardwareError
from deploy.hardware.structure import SynapseFormat
from deploy.ir import Connection, ConvConnection

DENSE, SPARSE, CONVOLUTION = "dense", "sparse", "convolution"


def encodings_of(connections: list[Connection], matrix: sparse.csr_matrix) -> tuple[str, ...]:
    """Encodings that a layer's connections can have together on a core, the plainer first.

    ``convolution`` where all are kernels; else ``dense`` and ``sparse``, in this order if there is no zero.

    Parameters
    ----------
    connections : list of Connection
    matrix : csr_matrix
        All their weights side by side.
    """
    if all(isinstance(connection, ConvConnection) for connection in connections):
        return (CONVOLUTION,)
    targets, sources = matrix.shape
    return (DENSE, SPARSE) if matrix.nnz == targets * sources else (SPARSE, DENSE)


def stored_lengths(weights: sparse.csc_matrix, encoding: str) -> np.ndarray:
    """Weights that each input axon's list stores on a core of the neurons in ``weights``.

    Parameters
    ----------
    weights : csc_matrix of shape (neurons of the core, input axons)
    encoding : str
        A dense list has a weight for every neuron wherever there is one synapse.
    """
    lengths = np.diff(weights.indptr)
    return np.where(lengths > 0, weights.shape[0], 0) if encoding == DENSE else lengths


def bits_per_axon(weights: np.ndarray | int, index_bits: int, layout: SynapseFormat) -> np.ndarray:
    """Bits of lists of synapses.

    Parameters
    ----------
    weights : integer array or int
        Weights of each list.
    index_bits : int
        Bits of an index; 0 for a dense list.
    layout : SynapseFormat

    Returns
    -------
    int64 array, or an int64 scalar
    """
    bits = layout.weight_bits.whole + layout.delay_bits.whole + layout.tag_bits.whole + index_bits
    word, header, block = layout.word_bits.whole, layout.block_header_bits.whole, layout.block_weights.whole
    full, rest = np.divmod(np.asarray(weights, np.int64), block)
    of_full = -(-(block * bits + header) // word)
    of_rest = np.where(rest > 0, -(-(rest * bits + header) // word), 0)
    return word * (full * of_full + of_rest)


def index_bits(largest: int, layout: SynapseFormat) -> int:
    """Bits of an index up to ``largest``: 0 where that is 0, else a width that the chip has.

    Raises
    ------
    HardwareError
        The largest index needs more bits than an index can have.
    """
    needed = int(largest).bit_length()
    if needed > layout.index_bits_max.whole:
        raise HardwareError(
            f"a synapse to neuron {largest} of a core needs an index of {needed} bits; the format has at most"
            f" {layout.index_bits_max.whole}"
        )
    return max(needed, layout.index_bits_min.whole) if needed else 0


def core_bits(weights: sparse.csc_matrix, encoding: str, layout: SynapseFormat) -> int:
    """Bits that the single synapses of one core take.

    Parameters
    ----------
    weights : csc_matrix of shape (neurons of the core, input axons)
    encoding : str
        ``dense`` or ``sparse``.
    layout : SynapseFormat
    """
    if not weights.nnz:
        return 0
    lengths = stored_lengths(weights, encoding)
    width = 0 if encoding == DENSE else index_bits(int(weights.indices.max()), layout)
    return int(bits_per_axon(lengths, width, layout).sum())
