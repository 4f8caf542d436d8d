"""Fully connected block whose neurons receive each other's spikes."""

import torch

from dpap.blocks import exact_sums
from dpap.blocks.block import SynapticBlock
from dpap.blocks.dynamics import Pass
from dpap.neurons import SpikingNeuron
from dpap.neurons.currents import first_overflow, largest_current
from dpap.quantization import straight_through


class Recurrent(SynapticBlock):
    r"""Fully connected synapses, and recurrent ones with a delay of one step.

    .. math::
        a[t] = W x[t] + R\, s[t-1]

    The weight is ``(out, in + out)``: W, and behind it R. To a pruner this is a dense layer whose inputs are
    the layer's inputs followed by its own spikes of the step before; observers are shown both.

    All synapses share the layer's scale. Where the input that stands for 1 is not 1 (``input_divisor``:
    analog or pooled inputs), a spike of the layer's own counts as ``1 / input_divisor``.

    Parameters are those of :class:`~dpap.blocks.Dense`.
    """

    kind = "dense"
    recurrent = True
    sends = ("spikes",)

    def __init__(
        self,
        name: str,
        inputs: int,
        outputs: int,
        neuron: SpikingNeuron,
        time_steps: int,
        input_bound: int = 1,
        input_divisor: int = 1,
        scale: int | None = None,
        *,
        bias: bool = False,
    ):
        super().__init__(
            name,
            (outputs, inputs + outputs),
            (inputs,),
            (outputs,),
            neuron,
            time_steps,
            input_bound,
            input_divisor,
            scale,
            bias,
        )

    def synapse(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Matrix product of the inputs from the layer before."""
        return exact_sums.linear(inputs, weight)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Spikes ``(T, N, out)`` of inputs ``(T or 1, N, in)``."""
        spikes, *_ = self.dynamics.settled(self, lambda: self._spiking_pass(inputs))
        if self.training and self.observers:
            received = spikes.detach().roll(1, dims=0)
            received[:1] = 0
            self.show(torch.cat([inputs.expand(len(received), -1, -1), received], dim=2), spikes)
        return spikes

    def _spiking_pass(self, inputs: torch.Tensor) -> Pass:
        """Spikes of a pass, which are part of its own sums."""
        integers = self.integer_parameters()
        forward, recurrent = integers.weight.split([self.input_shape[0], self.output_shape[0]], dim=1)
        sums = self.sums_over_time(inputs, forward)
        if not self.quantized or (self.training and self.rounds):
            sums = straight_through.round_straight_through(sums)
        population = self.dynamics.population(self, integers)
        spikes = self.neuron.recurrent_spikes(sums, recurrent, population, integers.bias)

        def all_sums() -> torch.Tensor:
            before = spikes.detach().roll(1, dims=0)
            before[:1] = 0
            return sums.detach() + before @ recurrent.detach().T

        keep, steps = self.neuron.current_keep, self.time_steps
        return Pass(
            spikes,
            integers,
            reach=lambda: largest_current(all_sums(), keep, steps),
            overflow=lambda: first_overflow(all_sums(), keep, steps),
        )
