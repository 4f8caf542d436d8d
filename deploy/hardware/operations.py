r"""Costs of a target of which only operations are known: an energy for each, and no placement.

Per inference, with the means over samples,

.. math::
    E = n_\text{AC} e_\text{AC} + n_\text{MAC} e_\text{MAC} + n_\text{updates} e_\text{neuron}
        + n_\text{reads} e_\text{memory} + n_\text{spikes} e_\text{message}

How operations are counted is a field of the description:

``spikes``
    One operation for each spike at each synapse with a weight other than zero; an accumulation for a binary
    spike, a multiplication and accumulation for a graded one (as NeuroBench distinguishes them). Every neuron
    is updated in every step. Each operation reads one weight, and each spike is one message.
``every_synapse``
    One multiplication and accumulation an inference for every synapse that the network had before pruning,
    and one update for every neuron: what the same layers cost as a conventional network without spikes
    (KerasSpiking's reading of its CPU, GPU and ARM). Maxima, which are comparisons, are left out.

A message of a sigma-delta unit is a graded spike; one that a unit of maxima receives is added up. What an
update of such units takes is a quantity of its own, which no source gives for any target so far.

Sources of the two countings: Yik et al., NeuroBench, Nature Communications 16, 2025; KerasSpiking,
``model_energy.py``.
"""

from collections import Counter
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from deploy.hardware.quantity import Description, Energy, Quantity, Time, name_fields, wrong_value
from deploy.hardware.result import Kind, Part
from deploy.hardware.workload import Unknown
from deploy.ir import NEURONS, Neuron
from deploy.measurement.measurement import LayerMeasurement, Measurement, from_input

Counting = Literal["spikes", "every_synapse"]

COUNTING_MEANS = {
    "spikes": "One operation is one spike at one synapse with a weight other than zero: an accumulation, or a"
    " multiplication and accumulation where the spike is graded. Every neuron is updated in every step.",
    "every_synapse": "The target runs no spikes: one multiplication and accumulation an inference for every"
    " synapse there was before pruning, and one update for every neuron, as KerasSpiking counts them.",
}
"""What one operation is, by counting."""


def _of_kinds(updates: dict[str, Energy]) -> dict[str, Energy]:
    known = [kind.kind for kind in NEURONS.values() if kind.update is None]
    for kind in updates:
        if kind not in known:
            raise wrong_value(
                kind, f"a kind of neuron without a cost of its own: {', '.join(known) or 'none'}"
            )
    return updates


class OperationCosts(Description):
    """Energies of operations (see the module); what is absent is part of the others, or there is none.

    Attributes
    ----------
    counting : str
        ``spikes`` or ``every_synapse``.
    accumulate, multiply_accumulate : Quantity
        Of one synaptic operation, with a binary or a graded spike.
    neuron_update : Quantity
        Of a spiking neuron.
    sigma_delta_update : Quantity or None
        Of a unit that sends changes of its activation; where it is absent it is unknown.
    updates : dict of str to Quantity, or None
        Of an update of a neuron of another kind, by the name of its kind; unknown where it is absent.
    memory_access, message : Quantity or None
        Of reading one weight, and of sending one spike.
    step : Quantity
        Time of one step of the network.
    """

    by_core: ClassVar[bool] = False
    """Whether it prices what each core does, so that neurons have to be placed."""

    model: Literal["operations"]
    counting: Counting
    accumulate: Energy
    multiply_accumulate: Energy
    neuron_update: Energy
    sigma_delta_update: Energy | None = None
    updates: Annotated[dict[str, Energy], AfterValidator(_of_kinds)] | None = None
    memory_access: Energy | None = None
    message: Energy | None = None
    step: Time

    def parts(self, measurement: Measurement, unknown: Unknown = "refuse") -> tuple[Part, ...]:
        """Every part of the energy of an inference; one of unknown cost has the value None.

        Raises
        ------
        UnknownValue
            The energy of an operation of the network is unknown, and unknown costs are refused.
        """
        counts, updates = Counter(), Counter()
        for layer in measurement.layers.values():
            counted = self._counts(layer, measurement)
            updates[self._update(layer, measurement)] += counted["neuron_update"]
            counts.update(counted)
        synops = counts["accumulate"] + counts["multiply_accumulate"]
        sent = measurement.total("spikes") + sum(
            from_input(measurement, name)[0] for name in measurement.layers
        )
        kinds = (
            ("accumulations", "synapses", counts["accumulate"], self.accumulate),
            (
                "multiplications and accumulations",
                "synapses",
                counts["multiply_accumulate"],
                self.multiply_accumulate,
            ),
            *(("neuron updates", "neurons", count, update) for update, count in updates.items()),
            ("memory accesses", "memory", synops, self.memory_access),
            ("messages", "messages", sent, self.message),
        )
        if unknown == "refuse":
            for _, _, count, energy in kinds:
                if count and energy is not None:
                    # Raises where it is unknown.
                    _ = energy.si
        return tuple(
            _part(name, kind, count, energy, measurement.samples)
            for name, kind, count, energy in kinds
            if energy is not None
        )

    def layer_energy(self, layer: LayerMeasurement, measurement: Measurement) -> dict[str, float | None]:
        """Joules an inference of a layer's ``synapses`` and ``neurons``; None where a cost is unknown."""
        counts = self._counts(layer, measurement)
        kinds = {"synapses": ("accumulate", "multiply_accumulate"), "neurons": ("neuron_update",)}
        energies_of = {name: getattr(self, name) for name in kinds["synapses"]}
        energies_of["neuron_update"] = self._update(layer, measurement)
        energies = {}
        for kind, names in kinds.items():
            used = [(counts[name], energies_of[name]) for name in names if counts[name]]
            known = all(energy.known for _, energy in used)
            total = sum(count * energy.si for count, energy in used) if known else None
            energies[kind] = None if total is None else total / measurement.samples
        return energies

    def time(self, measurement: Measurement) -> float | None:
        """Seconds of an inference, None where the time of a step is unknown."""
        return self.step.si * measurement.time_steps if self.step.known else None

    def assumptions(self) -> tuple[str, ...]:
        """The assumptions of the counts."""
        return (
            COUNTING_MEANS[self.counting],
            "Nothing is placed on cores: packets, hops and the size of the target are left out.",
        )

    def _update(self, layer: LayerMeasurement, measurement: Measurement) -> Quantity:
        """What an update of a layer's neurons takes."""
        if self.counting == "every_synapse":
            return self.neuron_update
        neuron = measurement.graph[layer.name].neuron
        known = (
            (self.updates or {}).get(neuron.kind) if neuron.update is None else getattr(self, neuron.update)
        )
        return known or _unknown_update(neuron)

    def _counts(self, layer: LayerMeasurement, measurement: Measurement) -> dict[str, int]:
        """Operations of one layer over all samples."""
        sums = measurement.graph[layer.name].neuron.sums
        if self.counting == "every_synapse":
            samples = measurement.samples if sums else 0
            return {
                "accumulate": 0,
                "multiply_accumulate": layer.synapses_original * samples,
                "neuron_update": layer.neurons_original * samples,
            }
        if measurement.graph.activity.graded:
            graded = layer.synops_effective if sums else 0
        else:
            graded = from_input(measurement, layer.name)[1] if measurement.graph.input_max > 1 else 0
        return {
            "accumulate": layer.synops_effective - graded,
            "multiply_accumulate": graded,
            "neuron_update": layer.neuron_updates,
        }


def _unknown_update(neuron: Neuron) -> Quantity:
    """In place of what a description does not say."""
    quantity = Quantity(
        value=None,
        unit="pJ",
        evidence="unknown",
        source=f"of an update of a {neuron.kind} neuron no energy is published",
    )
    name_fields(quantity, neuron.update or f"updates.{neuron.kind}")
    return quantity


def _part(name: str, kind: Kind, count: int, energy: Quantity, samples: int) -> Part:
    value = count * energy.si / samples if energy.known else None
    return Part(name, kind, value, count / samples, energy.evidence, energy.source)
