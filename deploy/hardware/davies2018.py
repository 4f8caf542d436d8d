r"""Costs of Loihi 1 from its pre-silicon simulation.

Davies et al. (IEEE Micro 38(1), 2018, Table 2) print costs of operations and no rule for composing them. The
rules here are ours. Per inference,

.. math::
    E = n_\text{synops} e_\text{synop}
        + \sum_t (n_\text{active} e_\text{active} + n_\text{inactive} e_\text{inactive})
        + n_\text{packets} e_\text{tile} + h_\text{EW} e_\text{EW} + h_\text{NS} e_\text{NS}

where every neuron has one update a step, active or not; what makes it active is not defined in print and is
an option. Packets of the input count as spikes within a tile. For each step, with the counts of one core
:math:`c` in that step,

.. math::
    t = t_\text{barrier}(\text{tiles})
        + \max_c (n_\text{synops} t_\text{synop} + n_\text{active} t_\text{active}
        + n_\text{inactive} t_\text{inactive})

one operation of a core after the other, while packets travel. The printed energy of a synaptic operation is a
minimum and its time a maximum. No energy of a barrier is printed: it is a part of unknown value.
"""

from functools import partial
from typing import Literal

import numpy as np

from deploy.hardware.activity import StepCounts
from deploy.hardware.cost_set import CostSet, part
from deploy.hardware.quantity import Cost, Description, Energy
from deploy.hardware.result import Part
from deploy.hardware.sync import SyncTable, interpolated
from deploy.hardware.workload import LayerWork, Options, Workload

ACTIVE_MEANS = {
    "input": "A neuron update counts as active where a spike reaches the neuron",
    "spiking": "A neuron update counts as active where the neuron spikes",
    "all": "Every neuron update counts as active",
}
"""What makes a neuron update active, by option."""


class UpdateCosts(Description):
    """Costs of a neuron update."""

    active: Cost
    inactive: Cost


class Barrier(Description):
    """Synchronisation at the end of a step.

    Attributes
    ----------
    energy : Quantity
    time : dict of int to Quantity
        By tiles that take part.
    """

    energy: Energy
    time: SyncTable


class Davies2018Costs(CostSet):
    """Costs and formulas (see the module); each field is a quantity of the description."""

    model: Literal["davies2018"]
    synaptic_operation: Cost
    neuron_update: UpdateCosts
    spike_within_tile: Cost
    hop_east_west: Cost
    hop_north_south: Cost
    barrier: Barrier

    def parts(self, work: Workload, options: Options) -> tuple[Part, ...]:
        """Synaptic operations, then neuron updates, then the network and the barrier."""
        traffic, update = work.traffic, self.neuron_update
        active = sum(_active(layer, options) for layer in work.layers.values())
        # Every tile meets the barrier once a step, but its energy is of the whole barrier: one a step.
        barriers = work.samples * work.time_steps
        packets = traffic.packets + traffic.input_packets
        priced = partial(part, work=work, options=options)
        return (
            priced("synaptic operations", "synapses", work.total("synops"), self.synaptic_operation.energy),
            priced("neuron updates, active", "neurons", active, update.active.energy),
            priced(
                "neuron updates, inactive", "neurons", work.total("updates") - active, update.inactive.energy
            ),
            priced("spikes within a tile", "messages", packets, self.spike_within_tile.energy),
            priced("hops east-west", "hops", traffic.hops_east_west, self.hop_east_west.energy),
            priced("hops north-south", "hops", traffic.hops_north_south, self.hop_north_south.energy),
            priced("barriers", "synchronisation", barriers, self.barrier.energy, needed=False),
        )

    def layer_energy(self, layer: LayerWork, options: Options) -> dict[str, float]:
        """Energy of a layer's synapses and neurons, in joules."""
        active = _active(layer, options)
        return {
            "synapses": layer.synops * self.synaptic_operation.energy.si,
            "neurons": active * self.neuron_update.active.energy.si
            + (layer.updates - active) * self.neuron_update.inactive.energy.si,
        }

    def step_times(self, counts: StepCounts, work: Workload, options: Options) -> np.ndarray:
        """Barrier and the slowest core, ``(samples, steps)`` in seconds."""
        active = {"input": counts.updated, "spiking": counts.fired, "all": counts.neurons}[options.active]
        core_times = (
            counts.synops * self.synaptic_operation.time.si
            + active * self.neuron_update.active.time.si
            + (counts.neurons - active) * self.neuron_update.inactive.time.si
        )
        return interpolated(self.barrier.time, work.mapping.tiles) + core_times.max(axis=-1)

    def assumptions(self, options: Options) -> tuple[str, ...]:
        """The assumptions of the formulas."""
        return (
            "Costs are of a pre-silicon simulation at 0.75 V; the energy of a synaptic operation is stated as"
            " a minimum and its time as a maximum.",
            "No rule for composing the costs is published. Ours: energies add up over operations, and a step"
            " lasts as long as the barrier and the operations of its slowest core one after the other.",
            f"{ACTIVE_MEANS[options.active]}; what the source means by active is not published.",
            "The time of a barrier is linear in the tiles, between the fewest and the most that are printed.",
            "Packets of the input cost a spike within a tile on their arrival. Hops are counted on the mesh"
            " that SANA-FE gives the chip, since the arrangement of its tiles is not printed.",
        )


def _active(layer: LayerWork, options: Options) -> int:
    return {"input": layer.updated, "spiking": layer.fired, "all": layer.updates}[options.active]
