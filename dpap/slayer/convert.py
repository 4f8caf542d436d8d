"""A network of stock SLAYER blocks as one of ours."""

from typing import Any

from torch import nn

from dpap import blocks
from dpap.errors import NetworkError
from dpap.networks import INPUT, Network, check_arguments
from dpap.post_training.scale_calibration import calibrate
from dpap.quantization.weight_bits import MARGIN
from dpap.slayer import graph, sigma_delta
from dpap.slayer.check import check_forward
from dpap.slayer.conversion import Conversion, Stage
from dpap.slayer.converter import Converter
from dpap.slayer.place import Place
from dpap.slayer.stock import blocks_of, label


def from_slayer(
    net: nn.Module,
    input_shape: tuple[int, ...],
    time_steps: int,
    input_max: int = 1,
    check: bool = True,
    calibration: Any = None,
    range_margin: float = MARGIN,
) -> Network:
    """A network of stock CUBA blocks as a :class:`dpap.networks.Network` with the same spikes.

    Each block keeps its own scale, threshold and decays, and its weights as its quantiser rounds them:
    even, -256 to 254. Stock SLAYER has no 24-bit states: Lava wraps currents and clips voltages, and so does
    the network. A current that leaves its range raises an error while it runs. Weight norm is resolved, masks
    of :class:`dpap.DPAP`, of ``mask=`` and of torch's pruning become masks. ``net`` is not changed.

    * ``neuron.norm``: the running mean of a MeanOnlyBatchNorm becomes the bias, as in evaluation.
    * ``neuron.drop`` and ``slayer.neuron.Dropout`` become :class:`dpap.blocks.Dropout`.
    * ``delay=True`` and ``slayer.axon.Delay`` become :class:`dpap.blocks.Delay`.
    * A Recurrent starts each sample at rest. Stock carries its currents and voltages from one batch into the
      next of the same size; :func:`dpap.slayer.start_at_rest` ends that.
    * ``delay_shift=True`` is dropped: it delays each layer by a step and changes nothing else. The spikes at
      t of a layer behind k blocks that shift, itself included, are those at t - k here, with zeros before.

    The blocks are taken to follow each other, except in a :class:`dpap.slayer.Graph`. Whether ``net``'s
    ``forward`` agrees is checked by running it in evaluation mode (:func:`dpap.slayer.check.check_forward`):
    for two random inputs every block's output is compared at every step; where a layer stays silent, weights
    are not rounded, or states leave 24 bits, random outputs of all blocks show what each block takes. A
    ``forward`` that does more than call the blocks is refused, unless it does so for other inputs only, or
    in training only. What it makes of the last block's output is compared where it has the same shape; a
    warning says if not. A ModuleList has no ``forward``: it is the chain of its blocks.

    Inputs are whole numbers as they are, not divided by ``input_max``.

    Of ``slayer.block.sigma_delta`` blocks it is a network of :class:`dpap.ReLU` units with the same messages,
    where SLAYER's float32 holds its sums. The first is an Input with a neuron, whose input 2 / scale is our
    1, or a :class:`dpap.slayer.sigma_delta.SlayerDeltaEncoder`.

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
    check : bool
        Whether to run ``net``. Without it the blocks are taken as they are, whatever ``net``'s ``forward``
        does.
    calibration : Split, array or Tensor, optional
        Some hundred samples of training, as of :func:`dpap.calibrate`: they choose the scales of blocks whose
        weights are not rounded, and say how far the currents of the others are from Lava's limit.
    range_margin : float
        How much larger than on these samples currents may become.

    Raises
    ------
    InputError
        ``net`` has no blocks.
    NetworkError
        A block has no counterpart or does not fit, named with its index, kind and what to do; a sum can
        leave 32-bit arithmetic; or ``net``'s ``forward`` fails, or gives other spikes than its blocks in a
        row.
    """
    made = convert(net, input_shape, time_steps, input_max)
    if check:
        check_forward(net, made)
    made.network.range_margin = range_margin
    return made.network if calibration is None else calibrate(made.network, calibration)


def convert(net: nn.Module, input_shape: tuple[int, ...], time_steps: int, input_max: int = 1) -> Conversion:
    """The network of :func:`from_slayer`, unchecked, with what each block became in it."""
    if sigma_delta.is_stock(net):
        return sigma_delta.from_stock(net, input_shape, time_steps, input_max)
    check_arguments(input_shape, time_steps, input_max)
    found = blocks_of(net)
    converter = Converter(time_steps)
    sources_of = graph.sources_in(net, len(found))
    labels = [label(index, block) for index, block in enumerate(found)]
    places = {graph.INPUT: Place(INPUT, tuple(input_shape), input_max)}
    stages = []
    for index, (block, sources) in enumerate(zip(found, sources_of, strict=True)):
        before = len(converter.layers)
        place = places[index] = converter.convert(block, labels[index], [places[each] for each in sources])
        # The first layer of several is that of the neurons.
        sent = next(iter(list(converter.layers)[before:]), place.source)
        stages.append(Stage(sent, place.source, place.lag))
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
    return Conversion(network.train(net.training), found, labels, sources_of, stages)
