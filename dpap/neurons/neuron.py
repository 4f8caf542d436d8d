"""What all kinds of neurons have in common: the base classes of :mod:`dpap.neurons.kinds`."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from dpap.neurons.parameters import DECAY_UNITY
from dpap.neurons.surrogate import SurrogateName

if TYPE_CHECKING:
    from dpap.neurons.function import Population


class Neuron(BaseModel, ABC):
    """Parameters of a kind of neuron, and what is known of it.

    Attributes
    ----------
    type : str
        Name of the kind in configurations and checkpoints.
    sends : str
        ``spikes``, 0 or 1, or ``changes`` of activations.
    loss : str
        The paper's loss for networks of this kind (:mod:`dpap.training.loss`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sends: ClassVar[Literal["spikes", "changes"]]
    loss: ClassVar[Literal["mse", "cross-entropy"]]

    type: str

    @property
    def of_output(self) -> "Neuron":
        """The neuron of a network's last layer: the same, unless a kind says otherwise."""
        return self


class SpikingNeuron(Neuron):
    r"""A neuron with a synaptic current and a membrane potential that sends spikes.

    Attributes
    ----------
    threshold : float
        Firing threshold :math:`\vartheta`, in units of the real-valued membrane potential.
    current_decay, voltage_decay : float
        :math:`\alpha_u` and :math:`\alpha_v`, the fraction lost in a step, 0 to 1.
    surrogate : str
        Name of the surrogate derivative (:data:`dpap.neurons.SURROGATES`).
    surrogate_width : float
        Its width, in units of the membrane potential (the paper's :math:`a = 1`).
    """

    sends = "spikes"
    loss = "mse"

    threshold: float = Field(0.5, gt=0, allow_inf_nan=False)
    current_decay: float = Field(1.0, ge=0, le=1)
    voltage_decay: float = Field(0.8, ge=0, le=1)
    surrogate: SurrogateName = "rectangle"
    surrogate_width: float = Field(1.0, gt=0, allow_inf_nan=False)

    @property
    def current_keep(self) -> int:
        """What a current keeps in a step, in 1/4096: ``4096 - round(4096 * current_decay)``."""
        return kept(self.current_decay)

    @property
    def voltage_keep(self) -> int:
        """What a voltage keeps in a step, in 1/4096: 819 for the paper's leak of 0.2."""
        return kept(self.voltage_decay)

    @property
    def largest_threshold(self) -> float:
        """The largest constant that is added to or compared with the membrane potential, in its units."""
        return self.threshold

    @abstractmethod
    def spikes(
        self, current: torch.Tensor, population: "Population", bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Spikes over time, exact in integers, differentiable by the surrogate.

        Parameters
        ----------
        current : float32 Tensor of shape (T, N, ...) or (1, N, ...)
            Synaptic sums of integer weights: whole numbers. A single step is the same at every step.
        population : Population
        bias : float32 Tensor of shape (channels,) or (neurons,), optional
            Whole numbers, one for each entry of the current's third axis.

        Returns
        -------
        float32 Tensor of shape (T, N, ...)
            0 or 1.
        """

    def pooled_spikes(
        self, current: torch.Tensor, population: "Population", window: int, bias: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes summed over windows; see :func:`dpap.neurons.lif_pool`."""
        return sum_windows(self.spikes(current, population, bias), window)

    @abstractmethod
    def recurrent_spikes(
        self,
        current: torch.Tensor,
        recurrent: torch.Tensor,
        population: "Population",
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Spikes of neurons that receive their own layer's spikes of the step before.

        What is returned, and what is not said here, is as of :meth:`spikes`.

        Parameters
        ----------
        current : float32 Tensor of shape (T, N, F) or (1, N, F)
        recurrent : float32 Tensor of shape (F, F)
            Integer weights, ``[post, pre]``.
        population : Population
        bias : float32 Tensor of shape (F,), optional
        """


def kept(decay: float) -> int:
    """What a state keeps in a step, in 1/4096, where it loses this fraction."""
    return DECAY_UNITY - round(DECAY_UNITY * decay)


def sum_windows(spikes: torch.Tensor, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of ``(T, N, C, H, W)`` spikes over windows, and, without gradient, over all positions."""
    steps, samples = spikes.shape[:2]
    pooled = torch.nn.functional.avg_pool2d(spikes.flatten(0, 1), window, divisor_override=1)
    return pooled.unflatten(0, (steps, samples)), spikes.detach().sum((3, 4))
