"""What all kinds of neurons have in common: the base classes of this package."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from deploy.ir.activity import CHANGES, SPIKES, Activity
from deploy.ir.neurons.fixed_point import fraction_kept, unwrapped
from dpap.neurons.parameters import ARITHMETIC_LIMIT, DECAY_UNITY, STATE_SHIFT, THRESHOLD_LIMIT
from dpap.quantization.scaling import BIAS_LIMIT

if TYPE_CHECKING:
    pass


class Range(NamedTuple):
    """The least and the largest value of each channel, with zero between them; float64 arrays.

    Sums below :math:`2^{53}` are exact in them. Of larger ones only that they are large counts.
    """

    low: np.ndarray
    high: np.ndarray


class Neuron(ABC):
    """The integer parameters of a population, and what is known of its kind.

    A kind is a frozen dataclass in a module of its own in this package; its fields are integers and flags,
    and are written to files as they are.

    Attributes
    ----------
    kind : str
        Its name in files, in ``job.json``, and of its module of Lava processes.
    learned : str or None
        ``type`` of the neuron in :mod:`dpap.neurons` that it deploys.
    activity : Activity
        What it sends.
    sums : bool
        Whether it is driven by sums of weights; without, its synapses only say which sources it has.
    bounded : str or None
        What of it has a limited range that every run checks: its ``current`` (24 bits) or its
        ``activation`` (32 bits, or 24 of a message).
    fused : bool
        Whether the fast simulator has kernels that make sums and spikes at once.
    lag : int
        Steps that it lags behind its sources on Lava.
    bias_limit : int
        Largest magnitude of a bias.
    update : str or None
        Field of :class:`deploy.hardware.operations.OperationCosts` that says what an update takes; None
        where that is in its ``updates``, by kind.
    reference : bool
        Whether formats and chips that know Loihi's CUBA compartment alone can have it.
    """

    kind: ClassVar[str]
    learned: ClassVar[str | None] = None
    activity: ClassVar[Activity]
    sums: ClassVar[bool] = True
    bounded: ClassVar[str | None] = None
    fused: ClassVar[bool] = False
    lag: ClassVar[int] = 1
    bias_limit: ClassVar[int] = 0
    update: ClassVar[str | None] = None
    reference: ClassVar[bool] = False

    @classmethod
    def of(cls, neuron: Any, integers: Any, unit: float) -> "Neuron":
        """The neurons of a block.

        Parameters
        ----------
        neuron : dpap.neurons.Neuron
            Of the kind that ``learned`` names.
        integers : dpap.blocks.Integers or dpap.blocks.ReLUIntegers
            Of the block.
        unit : float
            Integer units for one of the real membrane potential or activation.
        """
        raise NotImplementedError(f"{cls.kind} units deploy no block")

    @abstractmethod
    def check(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            One is out of range; the message names it.
        """

    @abstractmethod
    def check_sources(self, sources: int, pooled: bool, largest_sum: int) -> None:
        """Check what reaches a population.

        Parameters
        ----------
        sources : int
            Number of inputs of the layer.
        pooled : bool
            Whether sums over windows arrive from one of them.
        largest_sum : int
            Largest magnitude of a sum of weights of one sign.

        Raises
        ------
        ValueError
            The population cannot have them.
        """


class SpikingNeuron(Neuron):
    """Neurons with a synaptic current of 24 bits that send spikes.

    Attributes
    ----------
    current_decay, voltage_decay : int
        Decays in 1/4096, 0 to 4096.
    threshold : int
        Threshold mantissa, 1 to 131071.
    states : int
        Number of a neuron's states.
    """

    activity = SPIKES
    bounded = "current"
    bias_limit = BIAS_LIMIT
    states: ClassVar[int]

    current_decay: int
    voltage_decay: int
    threshold: int

    def check(self) -> None:
        """Check decays and threshold."""
        for field in ("current_decay", "voltage_decay"):
            require(self, field, 0, DECAY_UNITY)
        require(self, "threshold", 1, THRESHOLD_LIMIT)

    def check_sources(self, sources: int, pooled: bool, largest_sum: int) -> None:
        """No synaptic sum may leave the 32 bits that every backend computes it in."""
        if largest_sum >= ARITHMETIC_LIMIT:
            raise ValueError(
                f"a synaptic sum can reach {largest_sum}, and 32-bit arithmetic holds sums below"
                f" {ARITHMETIC_LIMIT}"
            )

    def unwrapped(self, current: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Currents after a step, int64, before they are wrapped to 24 bits."""
        return unwrapped(current, sums, self.current_decay)

    @abstractmethod
    def fires_by_bias(self, bias: np.ndarray, steps: int) -> np.ndarray:
        """Which neurons fire within so many steps from rest without any input, bool."""

    @property
    def constants(self) -> tuple[Any, ...]:
        """What :meth:`step` takes of the parameters: the fractions that states keep, and thresholds."""
        return (
            fraction_kept(self.current_decay),
            fraction_kept(self.voltage_decay),
            np.int32(self.threshold << STATE_SHIFT),
        )

    def rest(self, neurons: int) -> tuple[np.ndarray, ...]:
        """States at rest, int32 arrays of shape (neurons,)."""
        return tuple(np.zeros(neurons, np.int32) for _ in range(self.states))

    @property
    @abstractmethod
    def step(self) -> Any:
        """The compiled kernel of one step, ``step(sums, bias, constants, states, spikes, left) -> bool``.

        ``sums``
            int32 (neurons,): synaptic sums; set back to zero.
        ``bias``
            int32 (neurons,), in state units.
        ``constants``, ``states``
            :attr:`constants`, and :meth:`rest`, which is changed.
        ``spikes``
            uint8 (neurons,); written.
        ``left``
            int32 (neurons,); written: currents that left their 24 bits, before they are wrapped; zero
            elsewhere. The result is whether any did.
        """


class ChangingUnit(Neuron):
    """Units that send changes of activations."""

    activity = CHANGES

    @abstractmethod
    def reached(self, states: Range) -> np.ndarray:
        """Channels that can ever send something, for what their activations can be; bool."""

    @abstractmethod
    def sent(self, states: Range, steps: int) -> Range:
        """What the sum of all changes sent within so many steps can be."""


def require(neuron: Neuron, field: str, low: int, high: int) -> None:
    """Raise a ``ValueError`` unless a parameter is within these limits."""
    value = getattr(neuron, field)
    if not low <= value <= high:
        article = "" if field.endswith("decay") else "the "
        raise ValueError(f"{article}{field} is {value}, not {low} to {high}")
