"""Spike packets between cores, and the hops they take: exact, from a recording and a mapping.

A spike becomes one packet for each core on which its neuron has a synapse, and for each input by which a
layer receives it. A spike that arrives later counts when it arrives; what would arrive after the last step of
a sample does not count. A packet between tiles of one chip takes as many hops as the tiles are apart, first
along one axis of the mesh and then along the other. Packets of the network's input come from off chip: they
are counted apart, and have no hops. A graded input counts by its magnitude, since Loihi 1 has binary spikes
only.
"""

from collections.abc import Mapping as ByName
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deploy.hardware.axons import source_parts
from deploy.hardware.mapping import Mapping
from deploy.hardware.mesh import tile_position
from deploy.hardware.structure import Loihi1Structure
from deploy.ir import INPUT
from deploy.measurement.counts import LayerCounts, count_activity
from deploy.recording import Recording


@dataclass(frozen=True)
class Traffic:
    """Packets and hops of all samples and steps of a recording.

    Attributes
    ----------
    packets : int
        Sent by cores, to the same core, tile or chip included.
    input_packets : int
        That arrive from off chip.
    hops_east_west, hops_north_south : int
        Of packets that stay on their chip.
    packets_between_chips : int
        Of ``packets``, those that leave their chip; the hops they take are not known.
    """

    packets: int
    input_packets: int
    hops_east_west: int
    hops_north_south: int
    packets_between_chips: int


def count_traffic(
    recording: Recording,
    mapping: Mapping,
    structure: Loihi1Structure,
    counts: ByName[str, LayerCounts] | None = None,
) -> Traffic:
    """Count packets and hops (see the module).

    Parameters
    ----------
    recording : Recording
    mapping : Mapping
    structure : Loihi1Structure
    counts : mapping of str to LayerCounts, optional
        Those of the recording, where they are there already.
    """
    packets = from_input = east_west = north_south = between = 0
    counts = count_activity(recording) if counts is None else counts
    for layer in recording.graph.layers:
        placed, arrived = mapping.layers[layer.name], counts[layer.name].magnitude
        reached = placed.stored.sign()
        for source, part in source_parts(recording.graph, layer):
            spikes, axons = arrived[part], placed.axon_of[part]
            if source == INPUT:
                from_input += int(spikes @ placed.target_cores[part])
                continue
            # Packets from each core of the source to each core of the layer.
            active = np.flatnonzero((spikes > 0) & (axons >= 0))
            origin = mapping.layers[source].core_of[active]
            emitted = sparse.csr_matrix(
                (spikes[active], (origin, axons[active])),
                shape=(origin.max(initial=0) + 1, reached.shape[0]),
            )
            flow = (emitted @ reached).tocoo()
            sent = flow.data
            chip, x, y = tile_position(flow.row, structure)
            to_chip, to_x, to_y = tile_position(placed.first_core + flow.col, structure)
            on_chip = sent * (chip == to_chip)
            packets += int(sent.sum())
            between += int((sent - on_chip).sum())
            east_west += int(on_chip @ np.abs(x - to_x))
            north_south += int(on_chip @ np.abs(y - to_y))
    return Traffic(packets, from_input, east_west, north_south, between)
