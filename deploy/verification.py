"""The certificate: spikes of a trained network, compared one by one with what each backend ran."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from deploy.errors import CompileError
from deploy.graph import Graph, Layer
from deploy.inputs import validate_inputs
from deploy.recording import Recording
from deploy.routes import population_shape, populations
from deploy.runner import run
from dpap.networks import Network

REFERENCE = "torch evaluation"
"""What every backend is compared with."""


@dataclass(frozen=True)
class Mismatch:
    """The first spike that differs in a layer, in the order of samples, steps and neurons.

    Attributes
    ----------
    sample, step : int
    neuron : tuple of int
        Index in the layer's shape.
    expected, actual : int
        Spikes, or messages, of the reference and of the backend.
    """

    sample: int
    step: int
    neuron: tuple[int, ...]
    expected: int
    actual: int


@dataclass(frozen=True)
class LayerComparison:
    """One layer on one backend.

    Attributes
    ----------
    compared : int
        Spikes compared: samples x steps x neurons that run or that compaction holds to be silent.
    mismatches : int
        How many differ.
    spikes : int
        Spikes among them in the reference (of messages those other than zero); where there are none the
        comparison says little.
    unheard : int
        Neurons that were removed since no synapse listens to them; they are not compared.
    first_mismatch : Mismatch or None
    """

    compared: int
    mismatches: int
    spikes: int
    unheard: int
    first_mismatch: Mismatch | None


@dataclass(frozen=True)
class Certificate:
    """Spikes of every layer and time step, compared between a network's evaluation and backends.

    Attributes
    ----------
    reference : str
    samples : dict of str to int
        Samples compared on each backend.
    time_steps : int
    backends : dict of str to dict of str to LayerComparison
        By backend, then by layer.
    """

    reference: str
    samples: dict[str, int]
    time_steps: int
    backends: dict[str, dict[str, LayerComparison]]

    @property
    def mismatches(self) -> int:
        """Spikes that differ, over all layers and backends."""
        return sum(layer.mismatches for layers in self.backends.values() for layer in layers.values())

    @property
    def compared(self) -> int:
        """Spikes compared, over all layers and backends."""
        return sum(layer.compared for layers in self.backends.values() for layer in layers.values())

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return asdict(self) | {"mismatches": self.mismatches, "compared": self.compared}


def verify(
    graph: Graph,
    network: Network,
    inputs: np.ndarray,
    backends: Sequence[str] = ("fast", "lava"),
    **options,
) -> Certificate:
    """Run samples in torch and on backends, and compare the spikes of every layer at every step.

    Parameters
    ----------
    graph : Graph
        Compiled from ``network``.
    network : dpap.networks.Network
        The reference, in evaluation mode.
    inputs : array of shape (N, T, *input_shape)
    backends : sequence of str
    **options
        Of :func:`deploy.run`, passed to all backends but ``fast``: ``time_limit``.

    Raises
    ------
    InputError
        The inputs do not fit, or the graph has other layers than the network.
    """
    return certify(network, _record(graph, inputs, backends, options))


def verify_backends(
    graph: Graph, inputs: np.ndarray, backends: Sequence[str] = ("lava",), **options
) -> Certificate:
    """The same for a graph by itself: backends are compared with the fast one.

    It says that the graph runs as it should, and nothing of the network that it was compiled from.

    Parameters
    ----------
    graph : Graph
    inputs : array of shape (N, T, *input_shape)
    backends : sequence of str
    **options
        As of :func:`verify`.
    """
    reference = run(graph, inputs)
    recordings = _record(graph, inputs, backends, options)
    return _certificate(
        "the fast backend", graph.time_steps, [(reference.spikes, each) for each in recordings]
    )


def _record(graph: Graph, inputs: np.ndarray, backends: Sequence[str], options: dict) -> list[Recording]:
    return [run(graph, inputs, backend, **(options if backend != "fast" else {})) for backend in backends]


def certify(network: Network, recordings: Sequence[Recording]) -> Certificate:
    """Compare recordings that were already made, each with the network's own evaluation.

    Raises
    ------
    CompileError
        A recording's graph has other layers than the network.
    """
    pairs = ((reference_spikes(network, each.graph, each.inputs), each) for each in recordings)
    return _certificate(REFERENCE, network.time_steps, pairs)


def _certificate(
    name: str, time_steps: int, pairs: Iterable[tuple[Mapping[str, np.ndarray], Recording]]
) -> Certificate:
    """Spikes of a reference of that name, in the network's shapes, each with the recording to compare."""
    backends, samples = {}, {}
    for reference, recording in pairs:
        backends[recording.backend] = {
            layer.name: _compare(layer, reference[layer.name], recording.kept[layer.name])
            for layer in recording.graph.layers
        }
        samples[recording.backend] = len(recording.inputs)
    return Certificate(name, samples, time_steps, backends)


def reference_spikes(network: Network, graph: Graph, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """What each layer of a graph sends by a network in evaluation mode, ``(N, T, *layer shape)``.

    Spikes are uint8, messages of sigma-delta units int32.
    """
    names = populations(network)
    shapes = {name: population_shape(network, name) for name in names}
    if shapes != {layer.name: layer.shape for layer in graph.layers}:
        raise CompileError(
            f"the network has the layers {shapes}; the graph was compiled from another:"
            f" { ({layer.name: layer.shape for layer in graph.layers}) }"
        )
    was_training = network.training
    network.eval()
    # SLAYER's layout has time last.
    tensor = torch.from_numpy(np.moveaxis(validate_inputs(graph, inputs), 1, -1).astype(np.float32))
    sent = network.record(tensor, names)
    network.train(was_training)
    kind = np.int32 if graph.sigma_delta else np.uint8
    return {name: values.numpy().astype(kind) for name, values in sent.items()}


def _compare(layer: Layer, expected: np.ndarray, kept: np.ndarray) -> LayerComparison:
    # Removed channels count as silent, which is a claim to be checked, but for those that nothing hears.
    comparable = np.ones(layer.shape[0], bool)
    comparable[layer.unheard] = False
    actual = layer.expand(kept)
    differ = (expected != actual) & comparable.reshape(-1, *(1,) * (len(layer.shape) - 1))
    mismatches = int(np.count_nonzero(differ))
    first = None
    if mismatches:
        sample, step, *neuron = (int(i) for i in np.unravel_index(int(differ.argmax()), differ.shape))
        index = (sample, step, *neuron)
        first = Mismatch(sample, step, tuple(neuron), int(expected[index]), int(actual[index]))
    neurons = int(comparable.sum()) * int(np.prod(layer.shape[1:]))
    return LayerComparison(
        compared=int(np.prod(expected.shape[:2])) * neurons,
        mismatches=mismatches,
        spikes=int(np.count_nonzero(expected[:, :, comparable])),
        unheard=int(len(layer.unheard) * np.prod(layer.shape[1:])),
        first_mismatch=first,
    )
