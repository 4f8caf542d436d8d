r"""Lists of synapses that a convolution takes on each core, counted from its kernels without unrolling them.

For steps of 1 between positions and between elements of a kernel; anything else is unrolled
(:mod:`deploy.hardware.unrolled_lists`). Neurons are placed on cores in the order position, channel: neuron
:math:`n = p C + o` for channel :math:`o` of :math:`C` at position :math:`p`. Source channel :math:`i` at
position :math:`q` has on a core one list, with the weights :math:`K_{o i}(q - p)` for all of the core's
neurons that it reaches. With tables of the
kernels summed up over :math:`o`, a list's length, its first and last index, and a fingerprint are sums over
at most as many positions as a kernel has.

Two lists are stored once if they have the same weights at the same indices, after an axon has taken its
offset off (:mod:`deploy.hardware.synapse_memory`). They are distinguished by a fingerprint of 64 bits,

.. math:: h = \sum_k g(w_k) \, r^{\,j_k} \bmod 2^{64}

over their weights :math:`w_k` at indices :math:`j_k`, with an odd :math:`r` and random numbers :math:`g`:
lists that differ have the same one with a probability that is negligible (about :math:`2^{-60}` a pair).
"""

from dataclasses import dataclass

import numba
import numpy as np

from deploy.ir import ConvConnection
from deploy.ir.geometry import Shape

RATIO = 0x9E3779B97F4A7C15
"""The odd number whose powers distinguish indices: 2^64 over the golden ratio."""

SEED = 0
"""Draws the numbers that distinguish weights; counts do not depend on it."""

_WORD = 1 << 64


@dataclass(frozen=True, eq=False)
class KernelTables:
    """Sums of a convolution's kernels over the first channels, ``(kernel y, kernel x, outputs + 1, inputs)``.

    Attributes
    ----------
    counts : int32 array
        Weights other than zero among the channels before each.
    hashes : uint64 array
        Of these weights, the fingerprint.
    first, last : int32 array
        The first channel from each on, and the last before each, whose weight is not zero.
    """

    counts: np.ndarray
    hashes: np.ndarray
    first: np.ndarray
    last: np.ndarray


@dataclass(frozen=True, eq=False)
class CoreLists:
    """Lists of some cores.

    Attributes
    ----------
    axons : int64 array of shape (cores,)
        Sources with at least one synapse on each core.
    largest : int64 array of shape (cores,)
        Largest index that is stored.
    lengths : list of int64 arrays
        For each core, how many of the lists that differ have 0, 1, 2, ... weights.
    """

    axons: np.ndarray
    largest: np.ndarray
    lengths: list[np.ndarray]


def kernel_tables(connection: ConvConnection) -> KernelTables:
    """Tables of a convolution's kernels."""
    weight = np.ascontiguousarray(connection.dense_weight().transpose(2, 3, 0, 1))
    outputs = weight.shape[2]
    channel = np.arange(outputs, dtype=np.int32)[:, None]
    present = weight != 0
    counts = _before(present.astype(np.int32))
    marks = np.where(present, weight_marks(weight), np.uint64(0))
    hashes = _before(marks * index_powers(0, outputs)[:, None])
    first = np.full_like(counts, outputs)
    first[:, :, :-1] = np.where(present, channel, outputs)
    first = np.flip(np.minimum.accumulate(np.flip(first, 2), axis=2), 2)
    last = np.full_like(counts, -1)
    last[:, :, 1:] = np.where(present, channel, -1)
    last = np.maximum.accumulate(last, axis=2)
    return KernelTables(counts, hashes, np.ascontiguousarray(first), np.ascontiguousarray(last))


def weight_marks(weights: np.ndarray) -> np.ndarray:
    """The number :math:`g(w)` of each weight, uint64."""
    numbers = np.random.default_rng(SEED).integers(0, _WORD - 1, 1 << 16, np.uint64, endpoint=True)
    return numbers[weights.astype(np.int64) & 0xFFFF]


def index_powers(lowest: int, highest: int) -> np.ndarray:
    """Powers of the ratio from ``lowest`` to ``highest - 1`` modulo 2^64, uint64."""
    power = pow(RATIO, lowest, _WORD)
    powers = np.empty(highest - lowest, np.uint64)
    for index in range(len(powers)):
        powers[index] = power
        power = power * RATIO % _WORD
    return powers


def core_lists(
    tables: KernelTables,
    source: Shape,
    extent: tuple[int, int],
    padding: tuple[int, int],
    base_range: int,
    bounds: np.ndarray,
    cores: np.ndarray,
) -> CoreLists:
    """Lists of the chosen cores.

    Parameters
    ----------
    tables : KernelTables
    source : tuple of int
        ``(channels, height, width)`` of the pooled source.
    extent : tuple of two int
        Height and width of the layer.
    padding : tuple of two int
        Rows above and columns to the left.
    base_range : int
        Of an axon's offset.
    bounds : int64 array of shape (all cores + 1,)
        Neurons of core c are ``bounds[c]`` to ``bounds[c + 1] - 1``.
    cores : int64 array
        Which cores.
    """
    sizes = np.diff(bounds)[cores]
    starts = np.concatenate([[0], np.cumsum(sizes + 1)])
    lengths, axons, largest, _, _ = _scan(
        tables, source, extent, padding, base_range, bounds, cores, starts, np.zeros(0, np.int64)
    )
    return CoreLists(axons, largest, np.split(lengths, starts[1:-1]))


def core_axons(
    tables: KernelTables,
    source: Shape,
    extent: tuple[int, int],
    padding: tuple[int, int],
    bounds: np.ndarray,
    axons: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Sources with synapses on each core, and how many: two int64 arrays, core after core.

    Parameters
    ----------
    tables, source, extent, padding, bounds
        As for :func:`core_lists`.
    axons : int64 array of shape (cores,)
        Of :func:`core_lists`, for all cores.
    """
    cores = np.arange(len(bounds) - 1)
    starts = np.concatenate([[0], np.cumsum(np.diff(bounds) + 1)])
    entries = np.concatenate([[0], np.cumsum(axons)])
    *_, entry_axons, entry_counts = _scan(tables, source, extent, padding, 1, bounds, cores, starts, entries)
    return entry_axons, entry_counts


def _scan(tables, source, extent, padding, base_range, bounds, cores, starts, entries):
    outputs, most = tables.counts.shape[2] - 1, int(np.diff(bounds).max())
    lowest = -(outputs + base_range)
    return _scan_cores(
        tables.counts,
        tables.hashes,
        tables.first,
        tables.last,
        index_powers(lowest, outputs + most + 1),
        lowest,
        np.array([*source[1:], *extent, *padding, base_range], np.int64),
        bounds,
        np.asarray(cores, np.int64),
        starts,
        entries,
    )


def _before(values: np.ndarray) -> np.ndarray:
    """Sums over the channels before each, with one more element for all of them."""
    shape = list(values.shape)
    shape[2] += 1
    sums = np.zeros(shape, values.dtype)
    np.cumsum(values, axis=2, dtype=values.dtype, out=sums[:, :, 1:])
    return sums


@numba.njit(cache=True)
def _scan_cores(counts, hashes, first, last, powers, lowest, geometry, bounds, cores, starts, entries):
    kernel_height, kernel_width, outputs, inputs = counts.shape
    outputs -= 1
    source_height, source_width, height, width, above, before, base_range = geometry
    axons = np.zeros(len(cores), np.int64)
    largest = np.zeros(len(cores), np.int64)
    lengths = np.zeros(starts[-1], np.int64)
    emitted = entries[-1] if len(entries) else 0
    entry_axons, entry_counts = np.empty(emitted, np.int64), np.empty(emitted, np.int64)
    reach = kernel_height * kernel_width
    # Positions of the core that one source position reaches: place in the kernel, position, channels.
    places = np.empty((reach, 5), np.int64)
    for index in range(len(cores)):
        start, stop = bounds[cores[index]], bounds[cores[index] + 1]
        first_position, last_position = start // outputs, (stop - 1) // outputs
        top, bottom = first_position // width, last_position // width
        left, right = 0, width - 1
        if top == bottom:
            left, right = first_position % width, last_position % width
        row_start, row_stop = max(0, top - above), min(source_height, bottom - above + kernel_height)
        column_start = max(0, left - before)
        column_stop = min(source_width, right - before + kernel_width)
        room = 16
        while room < 2 * inputs * max(1, row_stop - row_start) * max(1, column_stop - column_start):
            room *= 2
        seen = np.zeros(room, np.uint64)
        for row in range(row_start, row_stop):
            for column in range(column_start, column_stop):
                found = 0
                # From the kernel's end to its start, so that positions ascend.
                for ky in range(kernel_height - 1, -1, -1):
                    y = row + above - ky
                    if y < 0 or y >= height:
                        continue
                    for kx in range(kernel_width - 1, -1, -1):
                        x = column + before - kx
                        position = y * width + x
                        if x < 0 or x >= width or position < first_position or position > last_position:
                            continue
                        offset = position * outputs - start
                        places[found, 0], places[found, 1], places[found, 2] = ky, kx, offset
                        places[found, 3] = max(0, -offset)
                        places[found, 4] = min(outputs, stop - position * outputs)
                        found += 1
                if found == 0:
                    continue
                for channel in range(inputs):
                    length, shift, end = 0, 0, 0
                    mark = np.uint64(0)
                    for place in range(found):
                        ky, kx, offset = places[place, 0], places[place, 1], places[place, 2]
                        low, high = places[place, 3], places[place, 4]
                        here = counts[ky, kx, high, channel] - counts[ky, kx, low, channel]
                        if here == 0:
                            continue
                        if length == 0:
                            shift = (offset + first[ky, kx, low, channel]) % base_range
                        length += here
                        end = offset + last[ky, kx, high, channel]
                        part = hashes[ky, kx, high, channel] - hashes[ky, kx, low, channel]
                        mark += powers[offset - shift - lowest] * part
                    if length == 0:
                        continue
                    if emitted:
                        entry = entries[index] + axons[index]
                        entry_axons[entry] = (channel * source_height + row) * source_width + column
                        entry_counts[entry] = length
                    axons[index] += 1
                    largest[index] = max(largest[index], end - shift)
                    # Zero marks a free slot.
                    mark = max(mark, np.uint64(1))
                    slot = np.int64((mark ^ (mark >> np.uint64(32))) & np.uint64(room - 1))
                    while seen[slot] != 0 and seen[slot] != mark:
                        slot = (slot + 1) & (room - 1)
                    if seen[slot] == 0:
                        seen[slot] = mark
                        lengths[starts[index] + length] += 1
    return lengths, axons, largest, entry_axons, entry_counts
