"""A network of stock SLAYER blocks as one of ours."""

from torch import nn

from dpap import blocks
from dpap.errors import NetworkError
from dpap.networks import INPUT, Network, check_arguments
from dpap.slayer import graph, sigma_delta
from dpap.slayer.converter import Converter
from dpap.slayer.place import Place
from dpap.slayer.stock import blocks_of, label


def from_slayer(net: nn.Module, input_shape: tuple[int, ...], time_steps: int, input_max: int = 1) -> Network:
    """A network of stock CUBA blocks as a :class:`dpap.networks.Network` with the same spikes.

    Each block keeps its own scale, threshold and decays, and its weights as its quantiser rounds them:
    even, -256 to 254. They are proven to stay within Lava's 24 bits. Weight norm is resolved, masks of
    :class:`dpap.DPAP`, of ``mask=`` and of torch's pruning become masks. ``net`` is not changed.

    * ``neuron.norm``: the running mean of a MeanOnlyBatchNorm becomes the bias, as in evaluation.
    * ``neuron.drop`` and ``slayer.neuron.Dropout`` become :class:`dpap.blocks.Dropout`.
    * ``delay=True`` and ``slayer.axon.Delay`` become :class:`dpap.blocks.Delay`.
    * A Recurrent starts each sample at rest. Stock carries its currents and voltages from one batch into the
      next of the same size; :func:`dpap.slayer.start_at_rest` ends that.
    * ``delay_shift=True`` is dropped: it delays each layer by a step and changes nothing else. The spikes at
      t of a layer behind k blocks that shift, itself included, are those at t - k here, with zeros before.

    The blocks are taken to follow each other, except in a :class:`dpap.slayer.Graph`; what else ``net``'s
    forward does is not seen. Its inputs are whole numbers as they are, not divided by ``input_max``.

    Of ``slayer.block.sigma_delta`` blocks it is a network of :class:`dpap.ReLU` units with the same messages,
    where SLAYER's float32 holds its sums. The first is an Input with a neuron, whose input 2 / scale is our
    1, or a :class:`dpap.slayer.sigma_delta.DeltaEncoder`.

    Parameters
    ----------
    net : nn.Module
        A Sequential or ModuleList of ``slayer.block.cuba`` Conv, Dense, Recurrent, Pool, Flatten, Input
        without neurons, and :class:`dpap.slayer.SumPool` or :class:`dpap.slayer.MaxPool`; or a module with
        such ``blocks``. The last with neurons is a Dense or a Recurrent. Or the same of
        ``slayer.block.sigma_delta``, with :class:`dpap.slayer.sigma_delta.MaxPool`.
    input_shape : tuple of int
        ``(C, H, W)`` or ``(F,)``.
    time_steps : int
        Steps an inference takes.
    input_max : int
        Largest input.

    Raises
    ------
    InputError
        ``net`` has no blocks.
    NetworkError
        A block has no counterpart or does not fit, named with its index, kind and what to do; or a layer
        can leave 24 bits.
    """
    if sigma_delta.is_stock(net):
        return sigma_delta.from_stock(net, input_shape, time_steps, input_max)
    check_arguments(input_shape, time_steps, input_max)
    found = blocks_of(net)
    converter = Converter(time_steps)
    places = {graph.INPUT: Place(INPUT, tuple(input_shape), input_max)}
    for index, (block, sources) in enumerate(zip(found, graph.sources_in(net, len(found)), strict=True)):
        places[index] = converter.convert(block, label(index, block), [places[source] for source in sources])
    synaptic = [layer for layer in converter.layers.values() if isinstance(layer, blocks.SynapticBlock)]
    if not synaptic or not isinstance(synaptic[-1], (blocks.Dense, blocks.Recurrent)):
        raise NetworkError(
            "the last block must be a cuba.Dense or cuba.Recurrent, whose neurons are the classes; add one"
        )
    network = Network(
        "-".join(converter.tokens),
        tuple(input_shape),
        time_steps,
        input_max,
        synaptic[-1].neuron,
        converter.layers,
        converter.sources,
        any(layer.bias is not None for layer in synaptic),
    )
    return network.train(net.training)
