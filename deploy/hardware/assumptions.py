"""The assumptions of an estimate, in sentences."""

from deploy.hardware.quantity import Power
from deploy.hardware.result import Part
from deploy.hardware.workload import Workload
from deploy.measurement.measurement import Measurement


def unknown_parts(parts: tuple[Part, ...]) -> tuple[str, ...]:
    """The parts that the dynamic energy leaves out."""
    return tuple(
        f"The dynamic energy leaves out {part.name} ({part.count:g} an inference): the energy of one is not"
        " published."
        for part in parts
        if part.unknown
    )


def static_power(source: str, power: Power) -> str:
    """A static power of a chip and where it comes from."""
    if not power.known:
        return f"Static power {source} is not published ({power.source})."
    return f"Static power {source}: {power.si * 1e3:g} mW a chip ({power.evidence}; {power.source})."


def placement(measurement: Measurement, work: Workload) -> tuple[str, ...]:
    """The assumptions of mapping and counting, for every cost set."""
    mapping, traffic = work.mapping, work.traffic
    sentences = [
        "The input comes from off chip: the cores that take it receive"
        f" {traffic.input_packets / work.samples:g} packets an inference; sending them, and their way to"
        " these cores, is not priced. Neither are the x86 processors and reading out the result.",
        "Layers take consecutive cores in their order, each split into equal ranges, and tiles fill the"
        " mesh column by column.",
        "A matrix is stored dense or as lists of its synapses, whichever takes fewer cores, then less memory."
        " A zero that is stored is a synaptic event, but no input that updates a neuron. Identical lists of a"
        " convolution are stored once on a core, and sources of one pooling window share an input axon."
        " A layer with inputs through both kernels and matrices stores all of them as a matrix.",
        "A step of the recording is one step of the chip for all layers at once; the further steps that"
        " spikes take to the last layer, and the reset between samples, are not counted.",
    ]
    if any(layer.longest_delay for layer in mapping.layers.values()) or any(
        layer.recurrent for layer in measurement.graph.layers
    ):
        sentences.append(
            "Synapses store the delays, also those by which a shortcut waits for the layers beside it. The"
            " packet and the synaptic events of a delayed or recurrent spike count in the step in which it"
            " arrives, and not at all where that is after the last step."
        )
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
