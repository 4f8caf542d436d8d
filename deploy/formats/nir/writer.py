r"""The Neuromorphic Intermediate Representation, ``.nir``: networks of real-valued neurons.

NIR's neurons are differential equations (Pedersen et al. 2024, Nature Communications 15, table 1). Steps of
forward Euler of duration :math:`\Delta t` make them the graph's: a synaptic sum ``a`` drives

.. math::
    u[t] &= (1 - \Delta t/\tau_{syn})\, u[t-1] + \tfrac{\Delta t}{\tau_{syn}} w_{in}\, a[t] \\
    v[t] &= (1 - \Delta t/\tau_{mem})\, v[t-1] + \tfrac{\Delta t}{\tau_{mem}} (v_{leak} + R\, u[t])

so that :math:`\tau = \Delta t / \alpha` for a decay :math:`\alpha`; a state that does not decay has a time
constant of 2**40 steps. Neurons without a synaptic current are ``LIF`` nodes with R = 1, whose weights and
biases are divided by the voltage's decay: Norse does not read R, and snnTorch reads any. Others are
``CubaLIF`` nodes with :math:`w_{in} = \tau_{syn}/\Delta t` and :math:`R = \tau_{mem}/\Delta t`, the only
values that snnTorch reads; a bias is their ``v_leak``, which it refuses, and from which Norse would start.

A layer's numbers are divided by one power of two. Its threshold is half a unit of the integer state higher,
where no integer state is: what only reaches the threshold stays silent however floats round. What remains
different is that the graph truncates decayed states. An integer current is less than :math:`g_u` units of
state nearer to zero than the real one, a voltage less than :math:`g_v (1 + g_u)` off, with
:math:`g = 1/\alpha`; a unit is 1/64 of an integer weight. Only a voltage that comes so near to the threshold
can fire otherwise.

Synapses are ``Conv2d`` or ``Linear`` and ``Affine`` nodes, behind ``SumPool2d``, ``Delay`` and ``Flatten``
nodes. Groups are written as kernels of zeros, and kernels that are not square with zeros around them: of both
nir 1.0.8 computes wrong shapes. A convolution that cannot be written so becomes a ``Linear``, as do those
after it. Edges that end in one node add up. A loop delays by one step. The input is whole numbers from 0 to
``input_max``, as the graph's.

Metadata of the graph: ``dt``, ``time_steps``, ``input_max``, ``reset`` (``zero``: what a potential is after a
spike, which NIR does not distinguish from a reset by subtraction); of a neuron node: ``network_shape``,
``kept`` (which of the network's channels or neurons its are) and ``unit`` (integer weights for a weight of
1).
"""

import io
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from deploy.errors import ExportError
from deploy.formats.nir.package import STEP_SECONDS, import_nir
from deploy.formats.refusal import refuse_other_neurons
from deploy.ir import INPUT, ConvConnection, Graph, Incoming, Layer
from deploy.ir.connection import unrolled
from deploy.ir.encoding import as_convolution
from deploy.ir.geometry import Shape, pooled_shape
from dpap.files.writing import write_bytes
from dpap.neurons.parameters import DECAY_UNITY, STATE_SHIFT

NO_DECAY = 2.0**-40
"""Decay of a state that keeps everything: 1 minus it is 1 in float32, and time constants need one."""

MAX_WEIGHTS = 1 << 26
"""Weights of one Linear node beyond which no file is written: NIR has no sparse ones."""

Chain = list[tuple[str, object]]
"""Nodes by name, each the source of the next."""


def save(graph: Graph, path: str | Path, dt: float = STEP_SECONDS) -> None:
    """Write a graph as NIR; the file appears whole or not at all.

    Parameters
    ----------
    graph : Graph
    path : str or Path
    dt : float
        Duration of a step in seconds. snnTorch takes 0.1 ms, the default; Norse any (``from_nir(..., dt=)``).

    Raises
    ------
    ExportError
        The package nir is missing, ``dt`` is not positive, or a layer has too many weights.
    """
    nir = import_nir(ExportError)
    if not (math.isfinite(dt) and dt > 0):
        raise ExportError(f"dt is {dt}; expected a positive number of seconds")
    refuse_other_neurons(graph, "NIR (.nir)")
    network = _Writer(nir, graph, dt).network()
    image = io.BytesIO()
    nir.write(image, network)
    write_bytes(path, image.getvalue())


class _Writer:
    """Nodes and edges so far."""

    def __init__(self, nir: ModuleType, graph: Graph, dt: float):
        self.nir, self.graph, self.dt = nir, graph, dt
        self.nodes: dict[str, object] = {}
        self.edges: list[tuple[str, str]] = []
        self.node_of: dict[str, str] = {}
        self.spatial: dict[str, bool] = {}

    def network(self):
        """The whole network, its types checked by nir."""
        nir, graph = self.nir, self.graph
        self.node_of[INPUT] = self._add("input", nir.Input({"input": np.array(graph.input_shape)}))
        self.spatial[INPUT] = len(graph.input_shape) == 3
        for layer in graph.layers:
            self._layer(layer)
        output = graph.output
        name = self._add("output", nir.Output({"output": np.array(output.kept_shape)}))
        self.edges.append((self.node_of[output.name], name))
        metadata = {"dt": self.dt, "time_steps": graph.time_steps, "input_max": graph.input_max}
        metadata["reset"] = "zero"
        return nir.NIRGraph(self.nodes, self.edges, metadata=metadata)

    def _add(self, name: str, node: object) -> str:
        # "/" would be a group in HDF5, and readers in torch take "." for one.
        unique = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
        while unique in self.nodes:
            unique += "_"
        self.nodes[unique] = node
        return unique

    def _layer(self, layer: Layer) -> None:
        convolutions = [self._convolution(layer, incoming) for incoming in layer.inputs]
        spatial = all(convolution is not None for convolution in convolutions)
        self.spatial[layer.name] = spatial
        shape = layer.kept_shape if spatial else (layer.size,)
        node = self.node_of[layer.name] = self._add(layer.name, self._neuron(layer, shape))
        factor = self._weight_factor(layer)
        # A current would low-pass a constant that comes with its sums.
        bias = layer.bias if layer.neuron.current_decay == DECAY_UNITY else None
        for incoming, convolution in zip(layer.inputs, convolutions, strict=True):
            chain = self._before(layer, incoming, flatten=not spatial)
            if spatial:
                synapses = self._conv_node(layer, incoming, convolution, factor, bias)
            else:
                synapses = self._linear_node(layer, incoming, factor, bias)
            bias = None
            chain.append(("weight", synapses))
            self._connect(incoming.source, layer, chain, node)

    def _connect(self, source: str, layer: Layer, chain: Chain, target: str) -> None:
        """Add the nodes of a chain from a source, and their edges."""
        before = self.node_of[source]
        several = f"_{source}" if len(layer.inputs) > 1 else ""
        for name, node in chain:
            added = self._add(f"{layer.name}_{name}{several}", node)
            self.edges.append((before, added))
            before = added
        self.edges.append((before, target))

    def _before(self, layer: Layer, incoming: Incoming, flatten: bool) -> Chain:
        """The nodes between a source and its synapses."""
        chain: Chain = []
        shape, pool = self.graph.source_shape(incoming), incoming.connection.pool
        spatial = self.spatial[incoming.source]
        if incoming.delays is not None:
            steps = incoming.delays if spatial else incoming.delays.ravel()
            chain.append(("delay", self.nir.Delay(steps * self.dt)))
        if spatial and pool > 1:
            window = np.array([pool, pool])
            chain.append(("pool", self.nir.SumPool2d(window, window, np.array([0, 0]))))
            shape = pooled_shape(shape, pool)
        if spatial and flatten:
            chain.append(("flatten", self.nir.Flatten({"input": np.array(shape)}, start_dim=0)))
        return chain

    def _convolution(self, layer: Layer, incoming: Incoming) -> ConvConnection | None:
        """Synapses as NIR's convolution, or None where it has no such one."""
        if not self.spatial.get(incoming.source):
            return None
        source = self.graph.source_shape(incoming)
        connection = as_convolution(incoming.connection, incoming.convolution, source, layer.kept_shape)
        if connection is None or (connection.geometry.kernel[0] - connection.geometry.kernel[1]) % 2:
            return None
        return connection

    def _conv_node(
        self,
        layer: Layer,
        incoming: Incoming,
        connection: ConvConnection,
        factor: float,
        bias: np.ndarray | None,
    ):
        geometry = connection.geometry
        side = max(geometry.kernel)
        margins = [(side - extent) // 2 for extent in geometry.kernel]
        weight = np.pad(connection.dense_weight(), ((0, 0), (0, 0), *((m, m) for m in margins)))
        padding = [p + m * d for p, m, d in zip(geometry.padding, margins, geometry.dilation, strict=True)]
        constant = np.zeros(len(weight)) if bias is None else bias
        return self.nir.Conv2d(
            input_shape=pooled_shape(self.graph.source_shape(incoming), connection.pool)[1:],
            weight=_single(weight * factor),
            stride=geometry.stride,
            padding=tuple(padding),
            dilation=geometry.dilation,
            groups=1,
            bias=_single(constant * factor),
        )

    def _linear_node(self, layer: Layer, incoming: Incoming, factor: float, bias: np.ndarray | None):
        connection, source = incoming.connection, self.graph.source_shape(incoming)
        if self.spatial[incoming.source] and connection.pool > 1:
            # The pool is a node of its own.
            connection, source = replace(connection, pool=1), pooled_shape(source, connection.pool)
        sources = math.prod(source)
        if layer.size * sources > MAX_WEIGHTS:
            raise ExportError(
                f"{layer.name}: as a Linear node it has {layer.size} x {sources} weights, more than"
                f" {MAX_WEIGHTS}; use kernels whose height and width differ by an even number"
            )
        weight = _single(unrolled(connection, source).toarray() * factor)
        if bias is None:
            return self.nir.Linear(weight)
        return self.nir.Affine(weight, _single(layer.neuron_bias * factor))

    def _weight_factor(self, layer: Layer) -> float:
        """The factor of the integer weights and biases of a layer."""
        if layer.neuron.current_decay < DECAY_UNITY:
            return 1 / _unit(layer)
        return 1 / _unit(layer) / _decay(layer.neuron.voltage_decay)

    def _neuron(self, layer: Layer, shape: Shape):
        neuron, unit = layer.neuron, _unit(layer)
        decay = _decay(neuron.voltage_decay)
        half_a_state = 0.5 / (1 << STATE_SHIFT)
        parameters = {
            "v_threshold": np.full(shape, (neuron.threshold + half_a_state) / unit),
            "v_leak": np.zeros(shape),
            "v_reset": np.zeros(shape),
            "metadata": {"network_shape": np.array(layer.shape), "kept": layer.kept, "unit": unit},
        }
        if neuron.current_decay == DECAY_UNITY:
            return self.nir.LIF(tau=np.full(shape, self.dt / decay), r=np.ones(shape), **parameters)
        if layer.bias is not None:
            parameters["v_leak"] = layer.neuron_bias.reshape(shape) / unit / decay
        current = _decay(neuron.current_decay)
        return self.nir.CubaLIF(
            tau_syn=np.full(shape, self.dt / current),
            tau_mem=np.full(shape, self.dt / decay),
            r=np.full(shape, 1 / decay),
            w_in=np.full(shape, 1 / current),
            **parameters,
        )


def _unit(layer: Layer) -> int:
    """The power of two above a layer's threshold, so that the real one is between 0.5 and 1."""
    return 1 << layer.neuron.threshold.bit_length()


def _decay(decay: int) -> float:
    return decay / DECAY_UNITY if decay else NO_DECAY


def _single(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)
