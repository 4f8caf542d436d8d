"""The chain of netx blocks that represents a graph."""

from dataclasses import dataclass, field

import numpy as np

from deploy.errors import ExportError
from deploy.formats.netx.start import bias_spikes, check_start
from deploy.formats.netx.weights import check_weights
from deploy.formats.refusal import refuse_other_neurons
from deploy.ir import INPUT, ConvConnection, Geometry, Graph, Incoming, Layer
from deploy.ir.connection import unrolled
from deploy.ir.encoding import as_convolution
from deploy.ir.geometry import Shape
from dpap.quantization.scaling import WEIGHT_STEP

MAX_DELAY = 62
"""Largest delay that netx does not clip."""

MAX_EXTENT = 127
"""Lava keeps kernel sizes, strides, paddings, dilations and groups of a convolution in 8 bits."""

MAX_WEIGHTS = 1 << 26
"""Weights of one dense block beyond which no file is written: netx has no sparse ones."""


@dataclass(frozen=True)
class Block:
    """One block: the data sets of its group, and what its neurons are.

    Attributes
    ----------
    kind : str
        netx's ``type``: ``conv``, ``dense``, ``dense_rec`` or ``flatten``.
    shape : tuple of int
        Shape of its output.
    arrays : dict of str to array
    layer : Layer or None
        The layer that it is; None for ``flatten``.
    """

    kind: str
    shape: Shape
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    layer: Layer | None = None


def netx_blocks(graph: Graph) -> list[Block]:
    """The chain of blocks that says a graph, without the input.

    Raises
    ------
    ExportError
        netx cannot say a layer, or would run it with other spikes; it is named with what to do.
    """
    refuse_other_neurons(graph, "netx (.net)")
    blocks: list[Block] = []
    before, shape, spatial = INPUT, graph.input_shape, len(graph.input_shape) == 3
    for layer in graph.layers:
        forward, own = _sources(layer, before)
        block = _conv_block(layer, forward, shape) if spatial and own is None else None
        if block is None:
            if spatial:
                blocks.append(Block("flatten", (int(np.prod(shape)),)))
            block = _dense_block(layer, forward, own, shape, graph.time_steps)
        blocks.append(block)
        before, shape, spatial = layer.name, layer.kept_shape, block.kind == "conv"
    check_start(graph)
    return blocks


def one_sample_a_run(graph: Graph) -> bool:
    """Whether spikes are under way for more than a step, which netx lets through into the next sample."""
    return any(
        layer.recurrent or any(incoming.delays is not None for incoming in layer.inputs)
        for layer in graph.layers
    )


def _sources(layer: Layer, before: str) -> tuple[Incoming, Incoming | None]:
    """The inputs of a layer from the block before it, and from itself."""
    forward = [incoming for incoming in layer.inputs if incoming.source == before]
    own = [incoming for incoming in layer.inputs if incoming.source == layer.name]
    if len(forward) != 1 or len(forward) + len(own) != len(layer.inputs):
        raise ExportError(
            f"{layer.name}: it receives spikes from {', '.join(layer.sources)}, and a netx file is a chain,"
            f" in which it receives them from {before} alone; use NIR (.nir), or a network without residual"
            " connections"
        )
    if own and (own[0].delays is not None or forward[0].delays is not None):
        raise ExportError(
            f"{layer.name}: netx cannot run a recurrent layer with delays; remove the Delay, or use NIR"
            " (.nir)"
        )
    return forward[0], own[0] if own else None


def _conv_block(layer: Layer, incoming: Incoming, source: Shape) -> Block | None:
    """A layer as a convolution, or None where netx has no such convolution."""
    connection = as_convolution(incoming.connection, incoming.convolution, source, layer.kept_shape)
    if connection is None or incoming.delays is not None:
        return None
    weight, groups = connection.dense_weight(), 1
    if connection.depthwise and connection.outputs <= MAX_EXTENT:
        weight, groups = np.ascontiguousarray(connection.kernels[:, None]), connection.outputs
    folded = _fold_pool(weight, connection, source)
    if folded is None:
        return None
    weight, geometry = folded
    pairs = (geometry.kernel, geometry.stride, geometry.padding, geometry.dilation)
    if max(max(pair) for pair in pairs) > MAX_EXTENT:
        return None
    arrays = {
        "weight": weight,
        "stride": np.array(geometry.stride),
        "padding": np.array(geometry.padding),
        "dilation": np.array(geometry.dilation),
        "groups": np.array(groups),
    }
    if layer.bias is not None:
        arrays["bias"] = layer.bias
    return Block("conv", layer.kept_shape, arrays, layer)


def _fold_pool(
    weight: np.ndarray, connection: ConvConnection, source: Shape
) -> tuple[np.ndarray, Geometry] | None:
    """Kernels and geometry of one convolution that sums the pool's windows too; None where it leaves any out.

    With a pool of p and a kernel of k, dilation d, stride s and padding q, the kernel is of
    ``p (d (k - 1) + 1)``, the stride ``p s`` and the padding ``p q``. Where e more zeros are below and to
    the right, the kernel begins with e zeros, for which the padding is ``p (q + e)`` on both sides.
    """
    pool, geometry = connection.pool, connection.geometry
    if pool == 1 and geometry.extra == (0, 0):
        return weight, geometry
    if source[1] % pool or source[2] % pool:
        # The convolution would receive the rows and columns that fill no window.
        return None
    (down, right), dilation = geometry.extra, geometry.dilation
    spread = [d * (k - 1) + 1 for d, k in zip(dilation, geometry.kernel, strict=True)]
    dilated = np.zeros((*weight.shape[:2], down + spread[0], right + spread[1]), weight.dtype)
    dilated[:, :, down :: dilation[0], right :: dilation[1]] = weight
    folded = np.kron(dilated, np.ones((1, 1, pool, pool), weight.dtype))
    stride = (pool * geometry.stride[0], pool * geometry.stride[1])
    padding = (pool * (geometry.padding[0] + down), pool * (geometry.padding[1] + right))
    return folded, Geometry(folded.shape[2:], stride, padding)


def _dense_block(
    layer: Layer, incoming: Incoming, own: Incoming | None, source: Shape, time_steps: int
) -> Block:
    size, sources = layer.size, int(np.prod(source))
    if size * (sources + (size if own else 0)) > MAX_WEIGHTS:
        advice = "use fewer neurons, or NIR (.nir)"
        if incoming.convolution is not None:
            advice = (
                "let pools tile their input and leave out delays before convolutions, so that it stays a"
                " convolution, or use NIR (.nir)"
            )
        raise ExportError(
            f"{layer.name}: as a dense block it has {size} x {sources + (size if own else 0)} weights, more"
            f" than {MAX_WEIGHTS}; {advice}"
        )
    arrays = {"weight": unrolled(incoming.connection, source).toarray()}
    kind = "dense"
    if own is not None:
        kind, arrays["weight_rec"] = "dense_rec", own.connection.matrix.toarray()
    if any(weight.any() for weight in arrays.values()):
        check_weights(layer.name, arrays)
    else:
        _add_idle_synapse(layer, arrays["weight"], time_steps)
    if layer.bias is not None:
        arrays["bias"] = layer.neuron_bias
    if incoming.delays is not None:
        highest = int(incoming.delays.max())
        if highest > MAX_DELAY:
            raise ExportError(
                f"{layer.name}: a delay of {highest} steps from {incoming.source}, and netx has at most"
                f" {MAX_DELAY}; train with delays that add up to no more, as one Delay{MAX_DELAY} does"
            )
        # One a synapse: netx mistakes one a source for one a target where there are as many of both.
        arrays["delay"] = np.broadcast_to(incoming.delays.ravel(), (size, sources))
    return Block(kind, (size,), arrays, layer)


def _add_idle_synapse(layer: Layer, weight: np.ndarray, time_steps: int) -> None:
    """Give a block without synapses the one that changes nothing, since netx fails on a block of zeros.

    Without synapses the biases alone decide when neurons fire: one that never does may be inhibited, and one
    that does in every step, starting from zero each time, may be excited.
    """
    spikes = bias_spikes(layer, time_steps)
    silent, constant = ~spikes.any(axis=0), spikes.all(axis=0)
    if not (silent | constant).any():
        raise ExportError(
            f"{layer.name}: it has no synapses, which netx cannot run, and its biases make each of its"
            " neurons fire in some steps and not in others; prune less, or use NIR (.nir)"
        )
    neuron = np.argmax(silent | constant)
    weight[neuron, 0] = -WEIGHT_STEP if silent[neuron] else WEIGHT_STEP
