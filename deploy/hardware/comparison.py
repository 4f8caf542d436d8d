r"""The savings of pruning on a hardware target, by cause.

Between the original network and the pruned one there are three that never ran, each with the spikes of the
pruned network (:mod:`deploy.hardware.counterfactual`). From one to the next a single thing changes, so
that the differences add up to the whole:

=====================  ======================================================================================
network                what is less than in the one before
=====================  ======================================================================================
dense
zeros kept             spikes: every synapse and neuron is still stored and placed
zeros left out         synapses: only those with a weight are stored; every neuron is still placed
neurons left out       neurons: those that were removed are not placed, but the rest take as many cores
pruned                 cores: the network takes as few as hold it
=====================  ======================================================================================

The order is a choice: what is charged to spikes here at the price of dense synapses would be less after the
synapses were gone. "Zeros kept" is what pruning gives on hardware, or with a mapping, that stores zeros.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from deploy.hardware.config import Hardware
from deploy.hardware.counterfactual import with_all_neurons, with_stored_zeros
from deploy.hardware.estimate import (
    checked_options,
    chosen_target,
    estimate_operations,
    estimate_placed,
)
from deploy.hardware.layer_mapping import SYNAPSE_MEMORY
from deploy.hardware.mapping import Mapping, map_graph
from deploy.hardware.placement import Oversized
from deploy.hardware.result import Estimate
from deploy.hardware.workload import ActiveUpdates, Options, Unknown
from deploy.ir import Graph
from deploy.measurement.measurement import Measurement, from_input, measure
from dpap.errors import InputError
from dpap.errors.expected_objects import expect


@dataclass(frozen=True)
class Saving:
    """One quantity of the networks; None where it is unknown.

    Attributes
    ----------
    dense, zeros_kept, zeros_left_out, neurons_left_out, pruned : float or None
        See the module.
    """

    dense: float | None
    zeros_kept: float | None
    zeros_left_out: float | None
    neurons_left_out: float | None
    pruned: float | None

    @property
    def total(self) -> float | None:
        """The costs of the dense network minus those of the pruned one."""
        return _less(self.dense, self.pruned)

    @property
    def by_cause(self) -> dict[str, float | None]:
        """The same, split into fewer spikes, synapses, neurons and cores; what is negative is more."""
        return {
            "fewer spikes": _less(self.dense, self.zeros_kept),
            "fewer synapses": _less(self.zeros_kept, self.zeros_left_out),
            "fewer neurons": _less(self.zeros_left_out, self.neurons_left_out),
            "fewer cores": _less(self.neurons_left_out, self.pruned),
        }

    def to_dict(self) -> dict:
        """Plain numbers, for JSON."""
        return asdict(self) | {"total": self.total, "by_cause": self.by_cause}


@dataclass(frozen=True, eq=False)
class Comparison:
    """A dense and a pruned network on one target.

    Attributes
    ----------
    hardware : str
    label : str or None
        What has to be said with every number of this target.
    samples : int
    counts : dict of str to Saving
        ``synapses`` and ``neurons`` of the network; ``spikes`` and ``SynOps`` an inference, the input's
        included; ``cores`` and ``memory`` (bits of synaptic memory) where it is placed.
    energy, time : dict of str to Saving
        Dynamic energy in joules and time in seconds of an inference, by cost set.
    lower_bounds : tuple of str
        Cost sets whose energies leave out a part of unknown cost.
    """

    hardware: str
    label: str | None
    samples: int
    counts: dict[str, Saving]
    energy: dict[str, Saving]
    time: dict[str, Saving]
    lower_bounds: tuple[str, ...]

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return {
            "hardware": self.hardware,
            "label": self.label,
            "samples": self.samples,
            **{
                name: {key: saving.to_dict() for key, saving in getattr(self, name).items()}
                for name in ("counts", "energy", "time")
            },
            "lower_bounds": list(self.lower_bounds),
        }


def compare(
    dense: Measurement,
    pruned: Measurement,
    hardware: str | Path | Hardware = "loihi1",
    *,
    active: ActiveUpdates = "input",
    unknown: Unknown = "refuse",
    oversized: Oversized = "refuse",
    cost_set: str | None = None,
) -> Comparison:
    """Compare a pruned network with the dense one, on the same inputs, and say what each cause saved.

    Parameters
    ----------
    dense, pruned : Measurement
        Of recordings of the same inputs; the networks have the same layers before pruning.
    hardware, active, unknown, oversized, cost_set
        As for :func:`deploy.estimate`.

    Raises
    ------
    InputError
        The networks or the inputs are not the same, or an option is not known.
    HardwareError
        As :func:`deploy.estimate` raises it.
    """
    call = 'deploy.compare(dense, pruned, "loihi1")'
    expect(dense, Measurement, "dense", call)
    expect(pruned, Measurement, "pruned", call)
    _check_alike(dense, pruned)
    options, target = checked_options(active, unknown, oversized), chosen_target(hardware, cost_set)
    all_neurons = with_all_neurons(pruned.recording)
    expanded = measure(all_neurons.graph, all_neurons)
    zeros = with_stored_zeros(all_neurons.graph)
    stored = measure(zeros, replace(all_neurons, graph=zeros))
    measurements = (dense, stored, expanded, pruned, pruned)
    if target.places_neurons:
        estimates = _placed(dense, expanded, zeros, pruned, target, options, oversized)
    else:
        estimates = [estimate_operations(measurement, target, options) for measurement in measurements]
    return Comparison(
        hardware=target.name,
        label=target.label,
        samples=dense.samples,
        counts=_counts(measurements, estimates),
        energy={name: Saving(*(e.energy[name] for e in estimates)) for name in target.cost_sets},
        time={name: Saving(*(e.latency[name] for e in estimates)) for name in target.cost_sets},
        lower_bounds=tuple(
            name for name in target.cost_sets if any(e.cost_sets[name].is_lower_bound for e in estimates)
        ),
    )


def _placed(
    dense: Measurement,
    expanded: Measurement,
    zeros: Graph,
    pruned: Measurement,
    target: Hardware,
    options: Options,
    oversized: Oversized,
) -> list[Estimate]:
    """Estimates of the five networks."""

    def mapped(graph: Graph, cores: dict[str, int] | None = None) -> Mapping:
        return map_graph(graph, target.structure, target.synapse_format, oversized, cores)

    left_out = mapped(expanded.graph)
    spread = {name: layer.cores for name, layer in left_out.layers.items()}
    networks = (
        (dense, mapped(dense.graph)),
        # The zeros are stored, but reach no neuron: they are in the mapping, and not in what is measured.
        (expanded, mapped(zeros)),
        (expanded, left_out),
        (pruned, mapped(pruned.graph, spread)),
        (pruned, mapped(pruned.graph)),
    )
    return [estimate_placed(measurement, target, options, mapping) for measurement, mapping in networks]


def _counts(measurements: tuple[Measurement, ...], estimates: list[Estimate]) -> dict[str, Saving]:
    samples = measurements[0].samples
    counts = {
        "synapses": Saving(*(m.total("synapses") for m in measurements)),
        "neurons": Saving(*(m.total("neurons") for m in measurements)),
        "spikes": Saving(*(_spikes(m) / samples for m in measurements)),
        "SynOps": Saving(*(m.total("synops_effective") / samples for m in measurements)),
    }
    if all(estimate.mapping for estimate in estimates):
        counts["cores"] = Saving(*(estimate.cores for estimate in estimates))
        counts["memory"] = Saving(*(_memory(estimate) for estimate in estimates))
    return counts


def _spikes(measurement: Measurement) -> int:
    received = sum(from_input(measurement, name)[0] for name in measurement.layers)
    return received + measurement.total("spikes")


def _memory(estimate: Estimate) -> int:
    return sum(int(layer.usage_by_core[SYNAPSE_MEMORY].sum()) for layer in estimate.mapping.values())


def _less(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _check_alike(dense: Measurement, pruned: Measurement) -> None:
    shapes = [
        {layer.name: (layer.sources, layer.shape) for layer in measurement.graph.layers}
        for measurement in (dense, pruned)
    ]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the networks have different layers: {shapes[0]} and {shapes[1]}; compare two of one notation"
        )
    if not dense.samples:
        raise InputError("the measurements are of 0 samples; record at least one")
    if not np.array_equal(dense.recording.inputs, pruned.recording.inputs):
        raise InputError(
            f"the networks ran different inputs, {dense.recording.inputs.shape} and"
            f" {pruned.recording.inputs.shape}; record both on the same"
        )
