"""Energy, time and cores of a measured network on a hardware target."""

from pathlib import Path
from typing import get_args

import numpy as np

from deploy.hardware.activity import count_steps
from deploy.hardware.config import Hardware, load_hardware
from deploy.hardware.cost_set import CostSet
from deploy.hardware.mapping import LayerMapping, map_graph
from deploy.hardware.quantity import Power
from deploy.hardware.result import CostSetEstimate, Estimate, Part
from deploy.hardware.traffic import count_traffic
from deploy.hardware.workload import ActiveUpdates, LayerWork, Options, Workload
from deploy.measurement import Measurement, source_activity
from dpap.errors import InputError


def estimate(
    measurement: Measurement,
    hardware: str | Path | Hardware = "loihi1",
    *,
    active: ActiveUpdates = "input",
) -> Estimate:
    """Estimate what an inference takes on a hardware target, by each of its cost sets.

    Dynamic energy is the sum over counted operations times the energy of one; time is the sum over steps of
    synchronisation and slowest core (:mod:`deploy.hardware.sanafe`, :mod:`deploy.hardware.davies2018`);
    static energy is a published power of a chip times chips times the set's own time. All are means over the
    recorded samples, in SI units, and each set lists what it assumes.

    Parameters
    ----------
    measurement : Measurement
        Of a recording, from any backend.
    hardware : str, Path or Hardware
        Name of a target, path of a description, or one that is loaded.
    active : str
        Which neuron updates a set counts that prices active and inactive ones: those in which a spike arrives
        (``input``), those in which the neuron spikes (``spiking``), or ``all``.

    Raises
    ------
    HardwareError
        The target is not known or wrong, or lacks a value that is needed; the network cannot be placed on it.
    InputError
        The measurement has no sample, or ``active`` is not known.
    """
    if active not in get_args(ActiveUpdates):
        raise InputError(f"active is {active!r}; use one of {', '.join(get_args(ActiveUpdates))}")
    if not measurement.samples:
        raise InputError("the measurement is of 0 samples; record at least one")
    target = hardware if isinstance(hardware, Hardware) else load_hardware(hardware)
    options, work = Options(active), count_work(measurement, target)
    times = _step_times(measurement, target, work, options)
    shared = _shared_assumptions(measurement, work)
    return Estimate(
        hardware=target.name,
        samples=work.samples,
        mapping=work.mapping.layers,
        cores=work.mapping.cores,
        chips=work.mapping.chips,
        tiles=work.mapping.tiles,
        cost_sets={
            name: _price(name, costs, target, work, options, times[name], shared)
            for name, costs in target.cost_sets.items()
        },
    )


def count_work(measurement: Measurement, target: Hardware) -> Workload:
    """Map a measured network and count what it did there.

    Raises
    ------
    HardwareError
        The network cannot be placed on the target.
    """
    mapping = map_graph(measurement.graph, target.structure, target.synapse_format)
    layers = {
        name: LayerWork(
            encoding=mapping.layers[name].encoding,
            synops=_synaptic_events(measurement, name, mapping.layers[name]),
            updates=layer.neuron_updates,
            updated=layer.neuron_updates_with_input,
            fired=layer.spikes,
        )
        for name, layer in measurement.layers.items()
    }
    traffic = count_traffic(measurement.recording, mapping, target.structure)
    return Workload(measurement.samples, measurement.time_steps, layers, traffic, mapping)


def _synaptic_events(measurement: Measurement, name: str, placed: LayerMapping) -> int:
    """Spikes times the synapses that are stored for them; a graded input counts by its magnitude."""
    activity = source_activity(measurement.recording, measurement.graph[name])
    arriving = activity.sum(axis=(0, 1), dtype=np.int64)
    return int(arriving.ravel() @ placed.of_sources(np.asarray(placed.stored.sum(axis=1)).ravel()))


def _step_times(
    measurement: Measurement, target: Hardware, work: Workload, options: Options
) -> dict[str, float | None]:
    """Seconds of an inference by each cost set: the mean over samples of the sum over steps."""
    if work.mapping.chips > 1:
        # How long chips take to end a step together is not published.
        return dict.fromkeys(target.cost_sets)
    totals = dict.fromkeys(target.cost_sets, 0.0)
    for counts in count_steps(measurement.recording, work.mapping):
        for name, costs in target.cost_sets.items():
            totals[name] += float(np.sum(costs.step_times(counts, work, options)))
    return {name: total / work.samples for name, total in totals.items()}


def _price(
    name: str,
    costs: CostSet,
    target: Hardware,
    work: Workload,
    options: Options,
    time: float | None,
    shared: tuple[str, ...],
) -> CostSetEstimate:
    parts = costs.parts(work, options)
    return CostSetEstimate(
        name=name,
        parts=parts,
        dynamic_energy=sum(part.value for part in parts if part.value is not None),
        static_energy={
            source: power.si * work.mapping.chips * time if power.known and time is not None else None
            for source, power in target.static_power.items()
        },
        time=time,
        time_per_step=None if time is None else time / work.time_steps,
        layers={
            layer: {kind: total / work.samples for kind, total in costs.layer_energy(counts, options).items()}
            for layer, counts in work.layers.items()
        },
        energy_error=costs.energy_error,
        time_error=costs.time_error,
        assumptions=(
            *costs.assumptions(options),
            *_unknown_parts(parts),
            *(_static(source, power) for source, power in target.static_power.items()),
            *shared,
        ),
    )


def _unknown_parts(parts: tuple[Part, ...]) -> tuple[str, ...]:
    return tuple(
        f"The dynamic energy leaves out {part.name} ({part.count:g} an inference): the energy of one is not"
        " published."
        for part in parts
        if part.value is None and part.count
    )


def _static(source: str, power: Power) -> str:
    if not power.known:
        return f"Static power {source} is not published ({power.source})."
    return f"Static power {source}: {power.si * 1e3:g} mW a chip ({power.evidence}; {power.source})."


def _shared_assumptions(measurement: Measurement, work: Workload) -> tuple[str, ...]:
    """What mapping and counting take for granted, for every cost set."""
    mapping, traffic = work.mapping, work.traffic
    sentences = [
        "The input comes from off chip: the cores that hear it receive"
        f" {traffic.input_packets / work.samples:g} packets an inference; sending them, and their way to"
        " these cores, is not priced. Neither are the x86 processors and reading out the result.",
        "Layers lie on consecutive cores in their order, each split into equal ranges, and tiles fill the"
        " mesh column by column.",
        "A matrix is stored dense or as lists of its synapses, whichever takes fewer cores, then less memory."
        " A zero that is stored is a synaptic event, but no input that updates a neuron. Identical lists of a"
        " convolution are stored once on a core, and sources of one pooling window share an input axon.",
        "A step of the recording is one step of the chip for all layers at once; the further steps that"
        " spikes take to the last layer, and the reset between samples, are not counted.",
    ]
    if measurement.graph.input_max > 1:
        sentences.append(
            "The hardware has no graded spikes: an input of magnitude m counts as m packets, and as m"
            " synaptic events at each of its synapses."
        )
    for name, layer in mapping.layers.items():
        if not layer.fits:
            full = max(layer.utilisation, key=layer.utilisation.get)
            sentences.append(
                f"{name} does not fit: a core needs {layer.usage[full]} {full},"
                f" {layer.utilisation[full]:.2f} times what it has; it is priced as if it did."
            )
    if mapping.chips > 1:
        sentences.append(
            f"The network takes {mapping.chips} chips. The hops and links of the"
            f" {traffic.packets_between_chips / work.samples:g} packets an inference that pass between them"
            " are not published and not priced, and the time of a step over several chips is unknown."
        )
    return tuple(sentences)
