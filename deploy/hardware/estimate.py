"""Energy, time and cores of a measured network on a hardware target."""

from pathlib import Path
from typing import get_args

import numpy as np

from deploy.errors import HardwareError, UnknownValue
from deploy.hardware import assumptions
from deploy.hardware.activity import count_steps
from deploy.hardware.config import Hardware, load_hardware
from deploy.hardware.cost_set import CostSet
from deploy.hardware.layer_mapping import LayerMapping
from deploy.hardware.loihi2 import core_range, layer_demands
from deploy.hardware.mapping import Mapping, map_graph
from deploy.hardware.placement import Oversized
from deploy.hardware.result import CostSetEstimate, Estimate, Part
from deploy.hardware.rules import check_graph
from deploy.hardware.structure import Loihi2Structure
from deploy.hardware.traffic import count_traffic
from deploy.hardware.workload import ActiveUpdates, LayerWork, Options, Unknown, Workload
from deploy.measurement.measurement import Measurement
from dpap.errors import InputError
from dpap.errors.expected_objects import expect


def estimate(
    measurement: Measurement,
    hardware: str | Path | Hardware = "loihi1",
    *,
    active: ActiveUpdates = "input",
    unknown: Unknown = "refuse",
    oversized: Oversized = "refuse",
    cost_set: str | None = None,
) -> Estimate:
    """Estimate what an inference takes on a hardware target, by each of its cost sets.

    Dynamic energy is the sum over counted operations times the energy of one; time is the sum over steps of
    synchronisation and slowest core (:mod:`deploy.hardware.sanafe`, :mod:`deploy.hardware.davies2018`);
    static energy is a published power of a chip times chips times the set's own time. All are means over the
    recorded samples, in SI units, and each set lists what it assumes. Targets on which nothing is placed are
    priced by their operations alone (:mod:`deploy.hardware.operations`).

    Parameters
    ----------
    measurement : Measurement
        Of a recording, from any backend.
    hardware : str, Path or Hardware
        Name of a target, path of a description, or one that is loaded.
    active : str
        Which neuron updates a set counts that prices active and inactive ones: those in which a spike arrives
        (``input``), those in which the neuron spikes (``spiking``), or ``all``.
    unknown : str
        What an unknown cost of an operation does: ``refuse`` the estimate, or leave the operation out, so
        that energies are lower bounds and times unknown (``bound``). The energy of a barrier, which no source
        gives, is always left out and said to be.
    oversized : str
        Whether a layer one neuron of which needs more than a core has is refused (``refuse``), or priced
        as if it fitted, with the violations listed (``place``).
    cost_set : str, optional
        Price by this set alone.

    Raises
    ------
    HardwareError
        The target or its cost set is not known or wrong, or lacks a value that is needed; the network cannot
        be placed on it.
    InputError
        The measurement has no sample, or an option is not known.
    """
    expect(measurement, Measurement, "measurement", 'deploy.estimate(measurement, "loihi1")')
    options = checked_options(active, unknown, oversized)
    if not measurement.samples:
        raise InputError("the measurement is of 0 samples; record at least one")
    target = chosen_target(hardware, cost_set)
    if not target.places_neurons:
        return estimate_operations(measurement, target, options)
    mapping = map_graph(measurement.graph, target.structure, target.synapse_format, oversized)
    return estimate_placed(measurement, target, options, mapping)


def checked_options(active: ActiveUpdates, unknown: Unknown, oversized: Oversized) -> Options:
    """Options of an estimate, each of which is one of those there are.

    Raises
    ------
    InputError
        One is not.
    """
    for name, value, kind in (
        ("active", active, ActiveUpdates),
        ("unknown", unknown, Unknown),
        ("oversized", oversized, Oversized),
    ):
        if value not in get_args(kind):
            raise InputError(f"{name} is {value!r}; use one of {', '.join(get_args(kind))}")
    return Options(active, unknown)


def chosen_target(hardware: str | Path | Hardware, cost_set: str | None) -> Hardware:
    """The target, with one of its cost sets alone where one is named.

    Raises
    ------
    HardwareError
        There is no such target or cost set.
    """
    target = hardware if isinstance(hardware, Hardware) else load_hardware(hardware)
    if cost_set is None:
        return target
    if cost_set not in target.cost_sets:
        known = ", ".join(target.cost_sets)
        raise HardwareError(f"{target.name} has no cost set {cost_set!r}; use one of {known}")
    return target.model_copy(update={"cost_sets": {cost_set: target.cost_sets[cost_set]}})


def count_work(measurement: Measurement, target: Hardware, mapping: Mapping) -> Workload:
    """Count what a measured network did on the cores that it is mapped to."""
    layers = {
        name: LayerWork(
            encoding=mapping.layers[name].encoding,
            synops=_synaptic_events(measurement.counts[name].magnitude, mapping.layers[name]),
            updates=layer.neuron_updates,
            updated=layer.neuron_updates_with_input,
            fired=layer.spikes,
        )
        for name, layer in measurement.layers.items()
    }
    traffic = count_traffic(measurement.recording, mapping, target.structure, measurement.counts)
    return Workload(measurement.samples, measurement.time_steps, layers, traffic, mapping)


def estimate_placed(
    measurement: Measurement, target: Hardware, options: Options, mapping: Mapping
) -> Estimate:
    """Estimate on a target with cores that neurons are placed on."""
    work = count_work(measurement, target, mapping)
    times = _step_times(measurement, target, work, options)
    shared = (*_label(target), *assumptions.placement(measurement, work))
    return Estimate(
        hardware=target.name,
        label=target.label,
        samples=work.samples,
        mapping=work.mapping.layers,
        cores=work.mapping.cores,
        chips=work.mapping.chips,
        tiles=work.mapping.tiles,
        core_range=None,
        traffic=work.traffic,
        violations=check_graph(measurement.graph, target, work.mapping),
        cost_sets={
            name: _price(name, costs, target, work, options, times[name], shared)
            for name, costs in target.cost_sets.items()
        },
    )


def estimate_operations(measurement: Measurement, target: Hardware, options: Options) -> Estimate:
    """Estimate on a target that is known by its operations alone."""
    bounds, structure = None, target.structure
    if isinstance(structure, Loihi2Structure):
        bounds = core_range(layer_demands(measurement.graph), structure)
    cost_sets = {}
    for name, costs in target.cost_sets.items():
        parts = costs.parts(measurement, options.unknown)
        cost_sets[name] = _summed(
            name,
            target,
            parts,
            time=costs.time(measurement),
            time_steps=measurement.time_steps,
            chips=1,
            layers={
                layer.name: costs.layer_energy(layer, measurement) for layer in measurement.layers.values()
            },
            errors=(None, None),
            sentences=(
                *costs.assumptions(),
                *_label(target),
                *(bounds.assumptions if bounds is not None else ()),
            ),
        )
    return Estimate(
        hardware=target.name,
        label=target.label,
        samples=measurement.samples,
        mapping={},
        cores=None,
        chips=None,
        tiles=None,
        core_range=bounds,
        traffic=None,
        violations=check_graph(measurement.graph, target),
        cost_sets=cost_sets,
    )


def _synaptic_events(arrived: np.ndarray, placed: LayerMapping) -> int:
    """Spikes times the synapses that are stored for them; a graded input counts by its magnitude."""
    return int(arrived @ placed.of_sources(np.asarray(placed.stored.sum(axis=1)).ravel()))


def _step_times(
    measurement: Measurement, target: Hardware, work: Workload, options: Options
) -> dict[str, float | None]:
    """Seconds of an inference by each cost set: the mean over samples of the sum over steps."""
    if work.mapping.chips > 1:
        # How long chips take to end a step together is not published.
        return dict.fromkeys(target.cost_sets)
    totals: dict[str, float | None] = dict.fromkeys(target.cost_sets, 0.0)
    for counts in count_steps(measurement.recording, work.mapping):
        for name, costs in target.cost_sets.items():
            if totals[name] is not None:
                totals[name] = _add_steps(totals[name], costs, counts, work, options)
    return {name: None if total is None else total / work.samples for name, total in totals.items()}


def _add_steps(total, costs, counts, work, options) -> float | None:
    try:
        return total + float(np.sum(costs.step_times(counts, work, options)))
    except UnknownValue:
        if options.unknown == "refuse":
            raise
        return None


def _price(
    name: str,
    costs: CostSet,
    target: Hardware,
    work: Workload,
    options: Options,
    time: float | None,
    shared: tuple[str, ...],
) -> CostSetEstimate:
    return _summed(
        name,
        target,
        costs.parts(work, options),
        time=time,
        time_steps=work.time_steps,
        chips=work.mapping.chips,
        layers={
            layer: _layer_energy(costs, counts, options, work.samples)
            for layer, counts in work.layers.items()
        },
        errors=(costs.energy_error, costs.time_error),
        sentences=(*costs.assumptions(options), *shared),
    )


def _layer_energy(
    costs: CostSet, counts: LayerWork, options: Options, samples: int
) -> dict[str, float | None]:
    try:
        return {kind: total / samples for kind, total in costs.layer_energy(counts, options).items()}
    except UnknownValue:
        if options.unknown == "refuse":
            raise
        return {"synapses": None, "neurons": None}


def _summed(
    name: str,
    target: Hardware,
    parts: tuple[Part, ...],
    *,
    time: float | None,
    time_steps: int,
    chips: int,
    layers: dict[str, dict[str, float | None]],
    errors: tuple[float | None, float | None],
    sentences: tuple[str, ...],
) -> CostSetEstimate:
    known = [part.value for part in parts if part.value is not None and not part.unknown]
    all_unknown = all(part.unknown for part in parts if part.count)
    return CostSetEstimate(
        name=name,
        parts=parts,
        dynamic_energy=None if all_unknown and any(part.count for part in parts) else sum(known),
        static_energy={
            source: power.si * chips * time if power.known and time is not None else None
            for source, power in target.static_power.items()
        },
        time=time,
        time_per_step=None if time is None else time / time_steps,
        time_steps=time_steps,
        layers=layers,
        energy_error=errors[0],
        time_error=errors[1],
        assumptions=(
            *sentences,
            *assumptions.unknown_parts(parts),
            *(assumptions.static_power(source, power) for source, power in target.static_power.items()),
        ),
    )


def _label(target: Hardware) -> tuple[str, ...]:
    return (f"Every number is {target.label}.",) if target.label else ()
