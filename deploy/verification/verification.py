"""The certificate: spikes of a trained network, compared one by one with what each backend ran."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from deploy.compiler.path_tracing import population_shape, populations
from deploy.errors import CompileError
from deploy.inputs import validate_inputs
from deploy.ir import Graph, Layer
from deploy.ir.currents import CurrentRange, current_ranges
from deploy.recording import Recording
from deploy.runner import run
from dpap.errors import InputError
from dpap.errors.expected_objects import expect
from dpap.networks import Network
from dpap.neurons.currents import OnOverflow
from dpap.slayer.conversion import Conversion
from dpap.slayer.convert import convert
from dpap.slayer.evaluation import Evaluation, evaluate

REFERENCE = "torch evaluation"
"""What every backend is compared with, for a network of dpap."""

STOCK_REFERENCE = "stock SLAYER evaluation"
"""The same for a network of stock blocks."""

STOCK_SAMPLES = 32
"""Samples of a pass of stock blocks, whose inputs and outputs are all kept."""


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
        Neurons that were removed since they had no fan-out; they are not compared.
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
        What was evaluated: :data:`REFERENCE`; or :data:`STOCK_REFERENCE` and what of it was compared.
    samples : dict of str to int
        Samples compared on each backend.
    time_steps : int
    backends : dict of str to dict of str to LayerComparison
        By backend, then by layer.
    ranges : dict of str to CurrentRange
        Of each layer of spiking neurons, what keeps its currents where Lava does not wrap them: a proof for
        any input, calibration samples, or the check while running alone.
    """

    reference: str
    samples: dict[str, int]
    time_steps: int
    backends: dict[str, dict[str, LayerComparison]]
    ranges: dict[str, CurrentRange] = field(default_factory=dict)

    def __repr__(self) -> str:
        ran = ", ".join(f"{name} ({samples} samples)" for name, samples in self.samples.items())
        return (
            f"<Certificate: {self.mismatches} mismatches of {self.compared}, {self.reference} against {ran}>"
        )

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
        return asdict(self) | {
            "mismatches": self.mismatches,
            "compared": self.compared,
            "ranges": {name: known.to_dict() for name, known in self.ranges.items()},
        }


def verify(
    graph: Graph,
    network: nn.Module,
    inputs: np.ndarray,
    backends: Sequence[str] = ("fast", "lava"),
    on_overflow: OnOverflow = "raise",
    **options: Any,
) -> Certificate:
    """Run samples in torch and on backends, and compare the spikes of every layer at every step.

    Parameters
    ----------
    graph : Graph
        Compiled from ``network``.
    network : dpap.networks.Network, or module of stock SLAYER blocks
        The reference, in evaluation mode. A module of stock blocks (as :func:`dpap.from_slayer` takes it)
        runs by its own ``forward`` and is not changed; the graph is then of the converted network, or has
        its layers in the same order. Each block's own output is compared, with the steps removed that
        ``delay_shift`` makes it late. If the module does not call every block once and in order, its output
        alone is compared; the certificate's ``reference`` says so.
    inputs : array of shape (N, T, *input_shape)
    backends : sequence of str
    on_overflow : str
        ``raise``, or ``wrap`` to compare what Lava makes of currents that leave their 24 bits.
    **options
        Of :func:`deploy.run`, passed to all backends but ``fast``, which has none of its own: ``time_limit``.

    Raises
    ------
    InputError
        The inputs do not fit, there is no sample or no backend, so that nothing would be compared, or options
        are given and no backend takes them.
    ActivationOverflow
        A current leaves its 24 bits.
    CompileError
        The graph has other layers than the network; a stock network's ``forward`` fails, or nothing of it
        can be compared.
    NetworkError
        A stock block has no counterpart.
    """
    call = "deploy.verify(graph, network, inputs)"
    expect(graph, Graph, "graph", call)
    expect(network, nn.Module, "network", call)
    return certify(network, _record(graph, inputs, backends, on_overflow, options), on_overflow)


def verify_backends(
    graph: Graph,
    inputs: np.ndarray,
    backends: Sequence[str] = ("lava",),
    on_overflow: OnOverflow = "raise",
    **options: Any,
) -> Certificate:
    """The same for a graph by itself: backends are compared with the fast one.

    It says that the graph runs as it should, and nothing of the network that it was compiled from.

    Parameters
    ----------
    graph : Graph
    inputs : array of shape (N, T, *input_shape)
    backends : sequence of str
    on_overflow, **options
        As of :func:`verify`.
    """
    reference = run(graph, inputs, on_overflow=on_overflow)
    recordings = _record(graph, inputs, backends, on_overflow, options)
    spikes = "the fast backend", reference.spikes
    return _certificate(graph.time_steps, [(spikes, each) for each in recordings])


def _record(
    graph: Graph, inputs: np.ndarray, backends: Sequence[str], on_overflow: OnOverflow, options: dict
) -> list[Recording]:
    _check_some(len(inputs), len(backends))
    if options and set(backends) == {"fast"}:
        raise InputError(
            f"{', '.join(options)} is for other backends than fast, the only one here; leave it out"
        )
    return [
        run(graph, inputs, backend, on_overflow=on_overflow, **(options if backend != "fast" else {}))
        for backend in backends
    ]


def _check_some(samples: int, backends: int) -> None:
    """A certificate of nothing compared would say that nothing differs."""
    if not backends:
        raise InputError("no backend to compare; name at least one, as in backends=('fast', 'lava')")
    if not samples:
        raise InputError("the inputs are of 0 samples, so that nothing would be compared; give at least one")


def certify(
    network: nn.Module, recordings: Sequence[Recording], on_overflow: OnOverflow = "raise"
) -> Certificate:
    """Compare recordings that were already made, each with the network's own evaluation.

    Parameters
    ----------
    network : dpap.networks.Network, or module of stock SLAYER blocks
        As of :func:`verify`.
    recordings : sequence of Recording
    on_overflow : str
        With which they were made.

    Raises
    ------
    InputError
        There is no recording, or one has no sample.
    CompileError
        A recording's graph has other layers than the network, or nothing of a stock network can be compared.
    NetworkError
        A stock block has no counterpart.
    """
    _check_some(min((len(each.inputs) for each in recordings), default=0), len(recordings))
    own = isinstance(network, Network)
    pairs = ((_evaluated(network, each.graph, each.inputs, on_overflow), each) for each in recordings)
    steps = network.time_steps if own else recordings[0].graph.time_steps
    return _certificate(steps, pairs)


def _evaluated(
    network: nn.Module, graph: Graph, inputs: np.ndarray, on_overflow: OnOverflow
) -> tuple[str, Mapping[str, np.ndarray]]:
    if isinstance(network, Network):
        return REFERENCE, reference_spikes(network, graph, inputs, on_overflow)
    return _stock_spikes(network, graph, inputs)


def _certificate(
    time_steps: int, pairs: Iterable[tuple[tuple[str, Mapping[str, np.ndarray]], Recording]]
) -> Certificate:
    """The name of a reference and its spikes, in the network's shapes, each with the recording to compare."""
    reference, backends, samples, ranges = REFERENCE, {}, {}, {}
    for evaluated, recording in pairs:
        reference, spikes = evaluated
        backends[recording.backend] = {
            layer.name: _compare(layer, spikes[layer.name], recording.kept[layer.name])
            for layer in recording.graph.layers
            if layer.name in spikes
        }
        samples[recording.backend] = len(recording.inputs)
        ranges = current_ranges(recording.graph)
    return Certificate(reference, samples, time_steps, backends, ranges)


def reference_spikes(
    network: Network, graph: Graph, inputs: np.ndarray, on_overflow: OnOverflow = "raise"
) -> dict[str, np.ndarray]:
    """Activity of each layer of a graph, by a network in evaluation mode, ``(N, T, *layer shape)``.

    Spikes are uint8, messages of sigma-delta units int32.
    """
    names = populations(network)
    shapes = {name: population_shape(network, name) for name in names}
    if shapes != {layer.name: layer.shape for layer in graph.layers}:
        raise _compiled_from_another(graph, shapes)
    was_training = network.training
    network.eval()
    try:
        with network.overflowing(on_overflow):
            sent = network.record(_slayer_layout(graph, inputs), names)
    finally:
        network.train(was_training)
    return {name: values.numpy().astype(graph.activity.dtype) for name, values in sent.items()}


def _stock_spikes(net: nn.Module, graph: Graph, inputs: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """Activity of the graph's layers in a network of stock blocks, as far as it is known, and its source."""
    conversion = convert(net, graph.input_shape, graph.time_steps, graph.input_max)
    network = conversion.network
    names = populations(network)
    shapes = {name: population_shape(network, name) for name in names}
    if list(shapes.values()) != [layer.shape for layer in graph.layers]:
        raise _compiled_from_another(graph, shapes)
    in_graph = dict(zip(names, (layer.name for layer in graph.layers), strict=True))
    parts, reference = [], STOCK_REFERENCE
    for batch in _slayer_layout(graph, inputs).split(STOCK_SAMPLES):
        evaluation = _evaluate_stock(net, conversion, batch)
        fault = evaluation.fault()
        if fault is None:
            reference = f"{STOCK_REFERENCE}, every block's output"
            sent = {name: values for name, values in evaluation.layers().items() if name in in_graph}
        else:
            reference = f"{STOCK_REFERENCE}, the output alone: {fault}"
            sent = {names[-1]: _stock_output(evaluation, fault)}
        parts.append(
            {
                in_graph[name]: values.movedim(-1, 1).cpu().numpy().astype(graph.activity.dtype)
                for name, values in sent.items()
            }
        )
    return reference, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _evaluate_stock(net: nn.Module, conversion: Conversion, inputs: torch.Tensor) -> Evaluation:
    try:
        return evaluate(net, conversion, inputs)
    except Exception as error:
        raise CompileError(
            f"{type(net).__name__}'s forward fails for inputs of shape {tuple(inputs.shape)} and"
            f" {conversion.lag} more steps, {type(error).__name__}: {error}"
        ) from error


def _stock_output(evaluation: Evaluation, fault: str) -> torch.Tensor:
    output = evaluation.output()
    if output is None:
        raise CompileError(
            f"{fault}, and the module's output is not of the last block's shape: nothing can be compared; let"
            " its forward return the spikes of the last block"
        )
    if evaluation.conversion.lag:
        raise CompileError(
            f"{fault}, so it is not known how many steps its output is late: set delay_shift=False"
        )
    return output


def _compiled_from_another(graph: Graph, shapes: dict[str, tuple[int, ...]]) -> CompileError:
    return CompileError(
        f"the network has the layers {shapes}; the graph was compiled from another:"
        f" { ({layer.name: layer.shape for layer in graph.layers}) }"
    )


def _slayer_layout(graph: Graph, inputs: np.ndarray) -> torch.Tensor:
    """Valid inputs with time last, as float32."""
    return torch.from_numpy(np.moveaxis(validate_inputs(graph, inputs), 1, -1).astype(np.float32))


def _compare(layer: Layer, expected: np.ndarray, kept: np.ndarray) -> LayerComparison:
    # Removed channels count as silent, which is a claim to be checked, but for those without fan-out.
    comparable = np.ones(layer.shape[0], bool)
    comparable[layer.without_fan_out] = False
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
        unheard=int(len(layer.without_fan_out) * np.prod(layer.shape[1:])),
        first_mismatch=first,
    )
