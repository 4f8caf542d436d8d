"""Fully connected block."""

import torch

from dpap.blocks import exact_sums
from dpap.blocks.block import SynapticBlock
from dpap.neurons import Neuron


class Dense(SynapticBlock):
    """Fully connected synapses with their neurons; weight ``(out, in)``.

    Parameters are those of :class:`~dpap.blocks.SynapticBlock`, with numbers of neurons for shapes.
    """

    kind = "dense"

    def __init__(
        self,
        name: str,
        inputs: int,
        outputs: int,
        neuron: Neuron,
        time_steps: int,
        input_bound: int = 1,
        input_divisor: float = 1,
        scale: int | None = None,
        *,
        bias: bool = False,
        norm: bool = False,
    ):
        super().__init__(
            name,
            (outputs, inputs),
            (inputs,),
            (outputs,),
            neuron,
            time_steps,
            input_bound,
            input_divisor,
            scale,
            bias,
            norm,
        )

    def synapse(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Matrix product, exact where every partial sum is a whole number below 2**24 (in float32)."""
        return exact_sums.linear(inputs, weight)
