"""The activity of every block of a stock network, by the network's own forward."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dpap.networks import INPUT
from dpap.slayer import graph
from dpap.slayer.conversion import Conversion
from dpap.slayer.recurrence import reset_state
from dpap.slayer.stock import stock_kind
from dpap.slayer.unchanged import unchanged

Substitute = Callable[[torch.Tensor], torch.Tensor]
"""Makes the output that a block is to have from the one that it has."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a block.

    Attributes
    ----------
    index : int
        Place of the block.
    inputs : tuple of Tensor
        Its input.
    sent, output : Tensor of shape (N, *shape, T)
        What it gave before and after its axonal delays.
    drive : Tensor or None
        The input of its neurons, where it has any.
    """

    index: int
    inputs: tuple[torch.Tensor, ...]
    sent: torch.Tensor
    output: torch.Tensor
    drive: torch.Tensor | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A pass of a stock network in evaluation mode.

    Attributes
    ----------
    conversion : Conversion
    time_steps : int
        Steps of the input, without those that were added for blocks that come late.
    inputs : Tensor of shape (N, *input_shape, T + lag)
        The network's input.
    calls : list of Call
        Calls of blocks, in the order in which they ended.
    result : object
        What the network gave.
    """

    conversion: Conversion
    time_steps: int
    inputs: torch.Tensor
    calls: list[Call]
    result: object

    def fault(self) -> str | None:
        """The reason why the calls are not one of every block, in order; None if they are."""
        counts = Counter(call.index for call in self.calls)
        for index, name in enumerate(self.conversion.labels):
            if counts[index] != 1:
                return f"{name} is called {counts[index]} times" if counts[index] else f"{name} is not called"
        order = [call.index for call in self.calls]
        if order != sorted(order):
            return f"the blocks are called in the order {', '.join(map(str, order))}"
        return None

    def in_time(self, values: torch.Tensor, index: int) -> torch.Tensor:
        """Whole messages at the steps of the input, for values that block ``index`` sent late."""
        stage = self.conversion.stages[index]
        return values[..., stage.lag : stage.lag + self.time_steps] * stage.unit

    def layers(self) -> dict[str, torch.Tensor]:
        """The activity of the converted network's layers in the stock network, each ``(N, *shape, T)``.

        Only where :meth:`fault` finds nothing. Layers that a stock block holds within, a dropout, are left
        out.
        """
        found = {}
        for call in self.calls:
            stage = self.conversion.stages[call.index]
            found[stage.sent] = self.in_time(call.sent, call.index)
            found[stage.output] = self.in_time(call.output, call.index)
        found.pop(INPUT, None)
        return found

    def output(self) -> torch.Tensor | None:
        """The first tensor of the result that has the last block's shape, in whole messages and in time."""
        stage, network = self.conversion.stages[-1], self.conversion.network
        shape = (len(self.inputs), *network.synaptic_blocks()[-1].output_shape, self.inputs.shape[-1])
        results = self.result if isinstance(self.result, (tuple, list)) else (self.result,)
        for each in results:
            if isinstance(each, torch.Tensor) and each.shape == shape:
                return each[..., stage.lag : stage.lag + self.time_steps] * stage.unit
        return None


def evaluate(
    net: nn.Module, conversion: Conversion, inputs: torch.Tensor, substitute: Substitute | None = None
) -> Evaluation:
    r"""Run a stock network in evaluation mode and record its blocks; the network is not changed.

    Every pass starts at rest. A ModuleList, or another module without a ``forward``, runs its blocks one
    after the other. The input is followed by as many steps of zeros as blocks come late by ``delay_shift``.

    Parameters
    ----------
    net : nn.Module
    conversion : Conversion
        Of the same network.
    inputs : Tensor of shape (N, *input_shape, T)
        Whole numbers.
    substitute : callable, optional
        Makes other outputs of all blocks, for what follows them.

    Returns
    -------
    Evaluation
    """
    device = next(conversion.network.parameters()).device
    inputs = inputs.to(device=device, dtype=torch.float32)
    given = torch.nn.functional.pad(inputs, (0, conversion.lag)) * conversion.input_step
    recorder = _Recorder(conversion.blocks, substitute)
    with unchanged(net):
        net.eval()
        try:
            for block in conversion.blocks:
                if stock_kind(block) == "Recurrent":
                    reset_state(block)
            recorder.watch()
            result = _run(net, conversion, given.clone())
        finally:
            recorder.end()
    return Evaluation(conversion, inputs.shape[-1], given, recorder.calls, result)


def has_forward(net: nn.Module) -> bool:
    """Whether a module has a ``forward`` of its own, as a ModuleList has not."""
    return getattr(net.forward, "__func__", net.forward) is not nn.Module.forward


def _run(net: nn.Module, conversion: Conversion, inputs: torch.Tensor) -> object:
    if has_forward(net):
        return net(inputs)
    activity = {graph.INPUT: inputs}
    for index, (block, sources) in enumerate(zip(conversion.blocks, conversion.sources, strict=True)):
        activity[index] = block(*(activity[source] for source in sources))
    return activity[len(conversion.blocks) - 1]


class _Recorder:
    """Hooks on the blocks, which keep copies of what goes in and out: a forward may write into these."""

    def __init__(self, blocks: list[nn.Module], substitute: Substitute | None):
        self.blocks, self.substitute = blocks, substitute
        self.calls: list[Call] = []
        self._handles: list = []
        self._drives: dict[int, list[torch.Tensor]] = {}
        self._sent: dict[int, torch.Tensor] = {}

    def watch(self) -> None:
        # A block may be used in several places; its calls are taken to be in that order.
        places: dict[nn.Module, list[int]] = {}
        for index, block in enumerate(self.blocks):
            places.setdefault(block, []).append(index)
        for block, indices in places.items():
            self._handles.append(block.register_forward_hook(self._after(indices), with_kwargs=True))
            neuron, delay = getattr(block, "neuron", None), getattr(block, "delay", None)
            if neuron is not None:
                self._handles.append(neuron.register_forward_pre_hook(self._neuron(indices[0])))
            if isinstance(delay, nn.Module):
                self._handles.append(delay.register_forward_pre_hook(self._delay(indices[0])))

    def end(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _neuron(self, key: int) -> Callable[[nn.Module, tuple], None]:
        def before(_neuron: nn.Module, arguments: tuple) -> None:
            # A recurrent block calls its neurons step by step.
            self._drives.setdefault(key, []).append(arguments[0].detach().clone())

        return before

    def _delay(self, key: int) -> Callable[[nn.Module, tuple], None]:
        def before(_delay: nn.Module, arguments: tuple) -> None:
            self._sent[key] = arguments[0].detach().clone()

        return before

    def _after(
        self, indices: list[int]
    ) -> Callable[[nn.Module, tuple, dict, torch.Tensor], torch.Tensor | None]:
        key, left = indices[0], list(indices)

        def after(
            _block: nn.Module, arguments: tuple, keywords: dict[str, Any], output: torch.Tensor
        ) -> torch.Tensor | None:
            if self.substitute is not None:
                output = self.substitute(output)
            kept = output.detach().clone()
            drives = self._drives.pop(key, None)
            self.calls.append(
                Call(
                    index=left.pop(0) if len(left) > 1 else left[0],
                    inputs=tuple(each.detach().clone() for each in (*arguments, *keywords.values())),
                    sent=self._sent.pop(key, kept),
                    output=kept,
                    drive=None if drives is None else torch.cat(drives, -1),
                )
            )
            return None if self.substitute is None else output

        return after
