r"""Costs in the form of SANA-FE: fitted to a Loihi board, with published errors.

Per inference, with :math:`N` neurons, :math:`T` steps and the energies of the description,

.. math::
    E_\text{soma} &= N T e_\text{access} + n_\text{updated} e_\text{update} + n_\text{fired} e_\text{spike} \\
    E_\text{syn}  &= \textstyle\sum \text{synaptic events} \times e_\text{synapse}(\text{encoding}) \\
    E_\text{net}  &= n_\text{sent} e_\text{out} + n_\text{received} e_\text{in}
                     + h_\text{EW} e_\text{EW} + h_\text{NS} e_\text{NS}

and for each step, with the same counts of one core :math:`c` in that step,

.. math::
    t = t_\text{sync}(\text{tiles}) + \max_c \max\big(
        N_c t_\text{access} + n_\text{updated} t_\text{update} + n_\text{fired} t_\text{spike}
        + n_\text{sent} t_\text{out},\;
        n_\text{received} t_\text{in} + n_\text{synops} t_\text{synapse}\big)

This is SANA-FE's simple timing model: hops overlap with the cores' work, and packets do not wait for each
other.

Source: Boyle et al., SANA-FE, IEEE TCAD 44(8), 2025, and ``arch/loihi.yaml`` of its repository.
"""

from functools import partial
from typing import Literal

import numpy as np

from deploy.hardware.activity import StepCounts
from deploy.hardware.cost_set import CostSet, part
from deploy.hardware.quantity import Cost, Description, Ratio
from deploy.hardware.result import Part
from deploy.hardware.sync import SyncTable, stepwise
from deploy.hardware.workload import LayerWork, Options, Workload


class SynapseCosts(Description):
    """Costs of one synaptic event by the encoding of the layer's synapses."""

    dense: Cost
    sparse: Cost
    convolution: Cost


class SomaCosts(Description):
    """Costs of a neuron: of every access, and on top of that of an update and of a spike."""

    access: Cost
    update: Cost
    spike: Cost


class PublishedError(Description):
    """Relative errors against silicon, as published."""

    energy: Ratio
    time: Ratio


class SanafeCosts(CostSet):
    """Costs and formulas (see the module); each field is a quantity of the description."""

    model: Literal["sanafe"]
    synapse: SynapseCosts
    soma: SomaCosts
    message_out: Cost
    message_in: Cost
    hop_east_west: Cost
    hop_north_south: Cost
    sync: SyncTable
    published_error: PublishedError

    def parts(self, work: Workload, options: Options) -> tuple[Part, ...]:
        """Synaptic events by encoding, then neurons, then the network: the same parts for every network."""
        traffic = work.traffic
        synops = dict.fromkeys(SynapseCosts.model_fields, 0)
        for layer in work.layers.values():
            synops[layer.encoding] += layer.synops
        priced = partial(part, work=work, options=options)
        received = traffic.packets + traffic.input_packets
        return (
            *(
                priced(
                    f"synaptic events, {encoding}",
                    "synapses",
                    count,
                    getattr(self.synapse, encoding).energy,
                    needed=count > 0,
                )
                for encoding, count in synops.items()
            ),
            priced("neuron accesses", "neurons", work.total("updates"), self.soma.access.energy),
            priced("neuron updates", "neurons", work.total("updated"), self.soma.update.energy),
            priced("spikes", "neurons", work.total("fired"), self.soma.spike.energy),
            priced("packets sent", "messages", traffic.packets, self.message_out.energy),
            priced("packets received", "messages", received, self.message_in.energy),
            priced("hops east-west", "hops", traffic.hops_east_west, self.hop_east_west.energy),
            priced("hops north-south", "hops", traffic.hops_north_south, self.hop_north_south.energy),
        )

    def layer_energy(self, layer: LayerWork, options: Options) -> dict[str, float]:
        """Energy of a layer's synapses and neurons, in joules."""
        soma = self.soma
        return {
            "synapses": layer.synops * getattr(self.synapse, layer.encoding).energy.si,
            "neurons": layer.updates * soma.access.energy.si
            + layer.updated * soma.update.energy.si
            + layer.fired * soma.spike.energy.si,
        }

    def core_times(self, counts: StepCounts, synapse_time: np.ndarray) -> np.ndarray:
        """Time that each core is at work in each step: the longer of its two sides.

        Parameters
        ----------
        counts : StepCounts
        synapse_time : array of shape (cores,)
            Time of one synaptic event on each core, in seconds.

        Returns
        -------
        float64 array of shape (samples, steps, cores)
            Seconds.
        """
        neuron_side = (
            counts.neurons * self.soma.access.time.si
            + counts.updated * self.soma.update.time.si
            + counts.fired * self.soma.spike.time.si
            + counts.sent * self.message_out.time.si
        )
        message_side = counts.received * self.message_in.time.si + counts.synops * synapse_time
        return np.maximum(neuron_side, message_side)

    def step_times(self, counts: StepCounts, work: Workload, options: Options) -> np.ndarray:
        """Synchronisation and the slowest core, ``(samples, steps)`` in seconds."""
        synapse_time = np.concatenate(
            [
                np.full(placed.cores, getattr(self.synapse, placed.encoding).time.si)
                for placed in work.mapping.layers.values()
            ]
        )
        return stepwise(self.sync, work.mapping.tiles) + self.core_times(counts, synapse_time).max(axis=-1)

    def assumptions(self, options: Options) -> tuple[str, ...]:
        """The assumptions of the formulas."""
        return (
            self._errors(),
            "A neuron is updated in a step in which a spike reaches it, and only accessed in others;"
            " SANA-FE's own neurons are also updated while they keep a potential that is not zero.",
            "A step lasts as long as synchronisation and its slowest core, and packets do not wait for each"
            " other. The time of synchronisation is the one fitted for the nearest number of tiles that is"
            " not above the tiles in use.",
        )

    @property
    def energy_error(self) -> float | None:
        """Published relative error of energies, None where there is none."""
        error = self.published_error.energy
        return error.si if error.known else None

    @property
    def time_error(self) -> float | None:
        """Published relative error of times, None where there is none."""
        error = self.published_error.time
        return error.si if error.known else None

    def _errors(self) -> str:
        if self.energy_error is None or self.time_error is None:
            return "No error of these costs against a chip is published."
        return (
            "Costs were fitted to a Loihi board by SANA-FE, whose energies were within"
            f" {self.energy_error:.1%} and times within {self.time_error:.1%} of the board; for another"
            " network the error may be larger."
        )
