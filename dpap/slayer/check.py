"""Check that the forward of a stock network runs its blocks one after the other."""

import warnings
from collections.abc import Iterator

import torch
from torch import nn

from dpap.errors import ConversionWarning, NetworkError
from dpap.networks import INPUT, Network
from dpap.slayer import graph
from dpap.slayer.conversion import Conversion
from dpap.slayer.evaluation import Call, Evaluation, Substitute, evaluate
from dpap.slayer.limits import leaves_limits

_RATES = ((0.5, 0.1), (1.0, 0.3), (0.03, 0.01), (0.003, 0.001))
"""Shares of inputs other than zero, of two samples; one pair after the other is tried."""

_UNCHECKED = "pass check=False to convert the blocks as they follow each other, without {}"


def check_forward(net: nn.Module, conversion: Conversion) -> None:
    """Compare a stock network's forward with the network that its blocks were converted to.

    Two random samples from 0 to ``input_max`` run through both in evaluation mode, of a rate at which as many
    layers fire as any of those tried reaches. Compared at every step, ``delay_shift`` removed, are:

    1. the calls: every block once, in order;
    2. the output of every block, before and after its axonal delays;
    3. the module's output, where it (or the first such tensor of a tuple) has the last block's shape.

    Where a layer stays silent, nothing was seen of what follows it. So a second pass gives every block a
    random output and compares what each block takes with what its sources gave. Where weights are not
    rounded (``pre_hook_fx=None``) spikes may differ by rounding, and the second pass is all there is.

    Stock SLAYER has no limits of currents and voltages, Lava has 24 bits; where a difference may come from
    that (:func:`dpap.slayer.limits.leaves_limits`), weaker inputs are tried, and after these the second pass
    alone. ``net`` is not changed, neither are torch's random numbers.

    Parameters
    ----------
    net : nn.Module
    conversion : Conversion
        Of ``net``.

    Raises
    ------
    NetworkError
        The forward fails, or something differs: the first block, step and neuron are named.

    Warns
    -----
    ConversionWarning
        The module's output has another shape, and is not compared.
    """
    evaluation, complete = None, False
    if all(block.quantized for block in conversion.network.synaptic_blocks()):
        evaluation, complete = _compare_spikes(net, conversion)
    if not complete:
        evaluation = _check_wiring(net, conversion)
    if evaluation.output() is None:
        _warn_of_result(net, evaluation)


def _compare_spikes(net: nn.Module, conversion: Conversion) -> tuple[Evaluation | None, bool]:
    """The last pass, and whether everything was equal in it and every layer fired."""
    evaluation = None
    for inputs, expected in _batches(conversion.network):
        evaluation = _run(net, conversion, inputs)
        difference = _first_difference(net, evaluation, expected)
        if difference is None:
            _check_result(net, evaluation, expected)
            return evaluation, all(bool(sent.any()) for sent in expected.values())
        call, message = difference
        if not leaves_limits(conversion, call):
            raise NetworkError(message)
    return evaluation, False


def _batches(network: Network) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """Inputs and what all layers send for them: those at which most layers fire, then weaker ones."""
    firing, batches = {}, {}
    for rates in _RATES:
        batches[rates] = _batch(network, rates)
        if batches[rates] is not None:
            sent = batches[rates][1]
            firing[rates] = sum(bool(each.any()) for each in sent.values())
            if firing[rates] == len(sent):
                break
    best = max(firing, key=firing.get, default=None)
    if best is None:
        return
    yield batches[best]
    for rates in _RATES:
        if sum(rates) < sum(best):
            batch = batches[rates] if rates in batches else _batch(network, rates)
            if batch is not None:
                yield batch


def _batch(network: Network, rates: tuple[float, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]] | None:
    inputs = _random_inputs(network, rates)
    try:
        return inputs, _sent(network, inputs)
    except NetworkError:
        # Activations beyond the limits of sigma-delta units.
        return None


def _random_inputs(network: Network, rates: tuple[float, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (len(rates), *network.input_shape, network.time_steps)
    values = torch.randint(1, network.input_max + 1, shape, generator=generator)
    share = torch.tensor(rates).reshape(-1, *(1,) * (len(shape) - 1))
    return (values * (torch.rand(shape, generator=generator) < share)).float()


def _sent(network: Network, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """The activity of every layer in evaluation mode, each ``(N, *shape, T)``."""
    training, device = network.training, next(network.parameters()).device
    network.eval()
    try:
        sent = network.record(inputs.to(device), list(network.layers))
    finally:
        network.train(training)
    return {name: values.movedim(1, -1) for name, values in sent.items()}


def _run(
    net: nn.Module, conversion: Conversion, inputs: torch.Tensor, substitute: Substitute | None = None
) -> Evaluation:
    try:
        evaluation = evaluate(net, conversion, inputs, substitute)
    except Exception as error:
        raise NetworkError(
            f"{_name(net)}'s forward fails for an input of shape"
            f" {(*inputs.shape[:-1], inputs.shape[-1] + conversion.lag)}, {type(error).__name__}: {error}."
            f" Mend it or the input_shape, or {_UNCHECKED.format('it')}"
        ) from error
    fault = evaluation.fault()
    if fault is not None:
        raise NetworkError(_explained(net, f"{fault} by {_name(net)}'s forward"))
    return evaluation


def _first_difference(
    net: nn.Module, evaluation: Evaluation, expected: dict[str, torch.Tensor]
) -> tuple[Call, str] | None:
    conversion = evaluation.conversion
    for call in evaluation.calls:
        stage = conversion.stages[call.index]
        for name, values in ((stage.sent, call.sent), (stage.output, call.output)):
            if name == INPUT:
                continue
            actual, ours = evaluation.in_time(values, call.index), expected[name]
            if actual.shape != ours.shape:
                message = (
                    f"gives {tuple(actual.shape)}, where {name} of the network gives {tuple(ours.shape)}"
                )
            elif not torch.equal(actual, ours):
                message = _differing(actual, ours, name)
            else:
                continue
            where = f"{conversion.labels[call.index]} {message}"
            cause = _wrong_input(evaluation, call)
            return call, where if cause is None else _explained(net, f"{where}: {cause}")
    return None


def _differing(actual: torch.Tensor, ours: torch.Tensor, name: str) -> str:
    """The first value that differs, in the order of samples, steps and neurons."""
    actual, ours = actual.movedim(-1, 1), ours.movedim(-1, 1)
    differ = actual != ours
    index = tuple(int(i) for i in differ.nonzero()[0])
    return (
        f"differs from {name} of the network for random input, first in sample {index[0]}, step {index[1]},"
        f" neuron {index[2:]}: {actual[index].item():g} against {ours[index].item():g};"
        f" {int(differ.sum())} of {differ.numel()} values differ ({_count(actual)} spikes or messages against"
        f" {_count(ours)})"
    )


def _count(values: torch.Tensor) -> int:
    return int(values.count_nonzero())


def _wrong_input(evaluation: Evaluation, call: Call) -> str | None:
    """The input of a block where it is not the output of its sources; None where it is."""
    labels = evaluation.conversion.labels
    given = {each.index: each.output for each in evaluation.calls} | {graph.INPUT: evaluation.inputs}
    sources = evaluation.conversion.sources[call.index]
    if len(call.inputs) != len(sources):
        return f"it takes {len(call.inputs)} inputs, not {len(sources)}"
    for taken, source in zip(call.inputs, sources, strict=True):
        if not _same(taken, given[source]):
            name = "the network's input" if source == graph.INPUT else f"the output of {labels[source]}"
            return f"its input is not {name}"
    return None


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.numel() == other.numel() and torch.equal(one.reshape(-1), other.reshape(-1).to(one.dtype))


def _check_result(net: nn.Module, evaluation: Evaluation, expected: dict[str, torch.Tensor]) -> None:
    name, actual = evaluation.conversion.stages[-1].output, evaluation.output()
    if actual is not None and not torch.equal(actual, expected[name]):
        message = _differing(actual, expected[name], name)
        raise NetworkError(
            _explained(net, f"all blocks agree, but the output of {_name(net)}'s forward {message}")
        )


def _warn_of_result(net: nn.Module, evaluation: Evaluation) -> None:
    shape = getattr(evaluation.result, "shape", None)
    what = type(evaluation.result).__name__ if shape is None else f"a tensor of {tuple(shape)}"
    warnings.warn(
        f"{_name(net)}'s forward gives {what}, which is not compared: the converted network gives the spikes"
        f" of {evaluation.conversion.labels[-1]}, of the shape (N, classes, T)",
        ConversionWarning,
        stacklevel=4,
    )


@torch.no_grad()
def _check_wiring(net: nn.Module, conversion: Conversion) -> Evaluation:
    """A pass in which every block has random outputs, and is to take what its sources gave."""
    generator = torch.Generator().manual_seed(1)
    unit = conversion.stages[-1].unit

    def random_spikes(output: torch.Tensor) -> torch.Tensor:
        spikes = torch.rand(output.shape, generator=generator) < 0.5
        return spikes.to(output) / unit

    evaluation = _run(net, conversion, _random_inputs(conversion.network, _RATES[0]), random_spikes)
    for call in evaluation.calls:
        cause = _wrong_input(evaluation, call)
        if cause is not None:
            raise NetworkError(_explained(net, f"{conversion.labels[call.index]}: {cause}"))
    last, result = evaluation.calls[-1], evaluation.output()
    if result is not None and not torch.equal(result, evaluation.in_time(last.output, last.index)):
        message = f"the output of {_name(net)}'s forward is not that of {conversion.labels[-1]}"
        raise NetworkError(_explained(net, message))
    return evaluation


def _explained(net: nn.Module, message: str) -> str:
    return (
        f"{message}. The blocks are taken to follow each other, each once: say what forward does in a"
        " dpap.slayer.Graph (a sum as a dpap.blocks.Addition) or by blocks, or"
        f" {_UNCHECKED.format(_name(net) + '.forward')}"
    )


def _name(net: nn.Module) -> str:
    return type(net).__name__
