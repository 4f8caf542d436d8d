"""The dynamics of a block's neurons: one object for each kind of neuron."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from dpap.neurons.currents import Overflow

if TYPE_CHECKING:
    from dpap.blocks.block import SynapticBlock


class Integers(NamedTuple):
    """The whole numbers of a block, as they are deployed.

    Attributes
    ----------
    weight : Tensor
        Integer weights, in a float dtype.
    scale : float
        Integer units of a real weight of 1.
    threshold : int
        Threshold mantissa.
    bias : Tensor of shape (out,) or None
        Integer biases, in a float dtype.
    proven : bool
        Whether no input can drive a current out of its range, so that none needs to be checked.
    by_range : bool
        Whether the scale follows from what currents reach, or would if that were known.
    """

    weight: torch.Tensor
    scale: float
    threshold: int
    bias: torch.Tensor | None
    proven: bool = False
    by_range: bool = False


class Pass(NamedTuple):
    """The sums of a pass before the neurons respond, or with them where they are recurrent.

    Attributes
    ----------
    values : Tensor
        Sums, or spikes of recurrent neurons.
    integers : Integers
        What it ran with.
    reach : callable
        Gives the largest magnitude of a current, in units of synaptic sums.
    overflow : callable
        Gives the first current out of range.
    """

    values: torch.Tensor
    integers: "Integers"
    reach: Callable[[], float] = lambda: 0.0
    overflow: Callable[[], Overflow | None] = lambda: None


class Dynamics(ABC):
    """One kind of neuron in a block; it keeps nothing.

    Attributes
    ----------
    sum_limit : int
        What a sum of the block must stay below in magnitude.
    """

    sum_limit: int

    def initialize(self, weight: torch.Tensor) -> None:
        """Draw the first weights: torch's own for linear layers and convolutions."""
        torch.nn.init.kaiming_uniform_(weight, a=5**0.5)

    def buffers(self) -> dict[str, torch.Tensor]:
        """Further buffers of a block, by name."""
        return {}

    def threshold_factor(self, block: "SynapticBlock", integers: Integers) -> float:
        """What sums are multiplied by to stand for those at the real threshold: 1 where it is exact.

        Raises
        ------
        NetworkError
            The threshold is less than an integer unit.
        """
        return 1.0

    def normalized(self, folded: Integers) -> Integers:
        """The integers of sums that were normalised by their batch, in the units of the folded ones."""
        return folded._replace(bias=None)

    def passed(self, block: "SynapticBlock", sums: torch.Tensor, integers: Integers) -> Pass:
        """A pass with these sums."""
        return Pass(sums, integers)

    def settled(self, block: "SynapticBlock", run: Callable[[], Pass]) -> Pass:
        """A pass whose integers hold what it brings: by default the first.

        Parameters
        ----------
        block : SynapticBlock
        run : callable
            Runs the block, from its integers on; it may be called again after these have changed.
        """
        return run()

    @abstractmethod
    def output_divisor(self, block: "SynapticBlock") -> float:
        """The integer that stands for the real activation 1 in what the block gives."""

    @abstractmethod
    def integers(self, block: "SynapticBlock", weight: torch.Tensor, bias: torch.Tensor | None) -> Integers:
        """Integers of real weights and biases.

        Raises
        ------
        NetworkError
            No integers keep the block within its bounds.
        """

    @abstractmethod
    def sums(self, block: "SynapticBlock", inputs: torch.Tensor, integers: Integers) -> torch.Tensor:
        """Exact synaptic sums of ``(T or 1, N, *input_shape)`` inputs."""

    @abstractmethod
    def respond(
        self, block: "SynapticBlock", sums: torch.Tensor, integers: Integers, pool: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs, after a sum pool with the window ``pool``, and the activity that observers are shown."""

    @abstractmethod
    def messages(self, activity: torch.Tensor, time_steps: int) -> torch.Tensor:
        """The messages of the neurons at each step, ``(T, N, ...)``, for their activity."""

    @abstractmethod
    def readout(self, block: "SynapticBlock", activity: torch.Tensor) -> torch.Tensor:
        """Activity of a network's last block as its output, ``(T, N, classes)``."""
