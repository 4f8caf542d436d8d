"""Writing the two files."""

from pathlib import Path

import numpy as np

from deploy.errors import ExportError
from deploy.formats.refusal import refuse_other_neurons
from deploy.formats.sana_fe.architecture import INPUTS_PER_CORE, architecture
from deploy.formats.sana_fe.network import BIAS, depths, input_neurons, lines
from deploy.hardware.config import load_hardware
from deploy.hardware.mapping import map_graph
from deploy.inputs import validate_inputs
from deploy.ir import INPUT, Graph
from deploy.workflow.run_directory import RunDirectory
from dpap.files.writing import write_atomically

ARCHITECTURE_FILE, NETWORK_FILE = "architecture.yaml", "network.yaml"


def save(
    graph: Graph, path: str | Path, *, inputs: np.ndarray | None = None, hardware: str | Path = "loihi1"
) -> None:
    """Write a graph and a chip for SANA-FE (see the package).

    Parameters
    ----------
    graph : Graph
    path : str or Path
        A folder; it is made if it does not exist.
    inputs : array of shape (T, *input_shape), optional
        One sample, whose spikes the file is to have; by default the inputs are silent.
    hardware : str or Path
        A description of Loihi 1's kind with a cost set of the model ``sanafe``, as of
        :func:`deploy.load_hardware`: where neurons are placed, and what is written of costs.

    Raises
    ------
    ExportError
        SANA-FE cannot run a layer as it runs here (named), or one chip has too few cores.
    HardwareError
        The description is wrong, or a neuron fits on no core of it.
    InputError
        The inputs do not fit the graph, or the folder cannot be written.
    """
    refuse_other_neurons(graph, "SANA-FE")
    _check_names(graph)
    depths(graph)
    chip = load_hardware(hardware)
    giving = input_neurons(graph)
    described = architecture(chip, min(giving, INPUTS_PER_CORE))
    mapping = map_graph(graph, chip.structure, chip.synapse_format)
    needed = mapping.cores + -(-giving // INPUTS_PER_CORE)
    if needed > chip.structure.cores_per_chip.whole:
        raise ExportError(
            f"the network takes {needed} cores with those of its input; SANA-FE simulates one chip of"
            f" {chip.structure.cores_per_chip.whole}: prune it further, or make it smaller"
        )
    if inputs is None:
        inputs = np.zeros((graph.time_steps, *graph.input_shape), np.uint8)
    inputs = validate_inputs(graph, np.asarray(inputs)[None])[0]

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            for line in lines(graph, mapping, chip.structure.cores_per_tile.whole, inputs):
                file.write(line + "\n")

    with RunDirectory(path) as folder:
        folder.write_yaml(ARCHITECTURE_FILE, described)
        write_atomically(folder.file(NETWORK_FILE), write)


def _check_names(graph: Graph) -> None:
    for layer in graph.layers:
        # A dot, a bracket or a space would end a name in a line of the file.
        if layer.name in (INPUT, BIAS) or not layer.name.replace("_", "").isalnum():
            raise ExportError(
                f"{layer.name!r} cannot be the name of a group in SANA-FE; use letters, digits and _, and not"
                f" {INPUT} or {BIAS}"
            )
