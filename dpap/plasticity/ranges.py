r"""Dendritic-spine ranges: bounds of a synapse's weight, which widen and shrink with its use.

Every synapse has a range :math:`[r^-, r^+]`, at first :math:`\mp\max|w|` of its layer. After each epoch,

.. math::
    r^\pm &\leftarrow r^\pm + \frac{1}{N} \sum_{N \text{ epochs}} (w - r^\pm)
        & \text{where } w \text{ was beyond } r^\pm \text{ for } N \text{ epochs in a row} \\
    r^\pm &\leftarrow 0.75\, r^\pm & \text{where } |w| \text{ shrank for } N \text{ epochs in a row}

and the count of a synapse starts again. Source: Han et al. 2023 (SD-SNN, arXiv 2211.12219) and its authors'
public code (BrainCog), whose constants are N = 18 and 0.75. The code counts a weight that is beyond from
its second epoch on.
"""

from typing import Any

import torch

from dpap.state import checked_state


class SpineRanges:
    r"""Ranges of the weights of one layer, vectorised; all tensors have the shape of the weight.

    Attributes
    ----------
    lower, upper : Tensor
        :math:`r^-` and :math:`r^+`.
    overshoot : Tensor
        Sum of :math:`w - r^\pm` over the epochs in a row that the weight has been beyond.
    beyond : int16 Tensor
        Those epochs; negative below the lower bound.
    shrinking : int16 Tensor
        Epochs in a row that the magnitude shrank.
    magnitude : Tensor
        The last magnitude.
    """

    _NAMES = ("lower", "upper", "overshoot", "beyond", "shrinking", "magnitude")

    def __init__(self, weight: torch.Tensor):
        self.magnitude = weight.detach().abs()
        self.upper = torch.full_like(self.magnitude, float(self.magnitude.max()))
        self.lower = -self.upper
        self.overshoot = torch.zeros_like(self.magnitude)
        self.beyond = torch.zeros_like(self.magnitude, dtype=torch.int16)
        self.shrinking = torch.zeros_like(self.beyond)

    @torch.no_grad()
    def update(self, weight: torch.Tensor, patience: int, shrink: float) -> None:
        """Take in the weights after an epoch, the pruned ones at zero.

        Parameters
        ----------
        weight : Tensor
        patience : int
            N.
        shrink : float
            Factor of the bounds of a weight that shrank.
        """
        self._widen(weight, patience)
        self._shrink(weight, patience, shrink)

    def _widen(self, weight: torch.Tensor, patience: int) -> None:
        # In place where it can be: to get memory for so large a tensor takes longer than to fill it.
        over = torch.maximum(weight, self.lower)
        torch.minimum(over, self.upper, out=over)
        torch.sub(weight, over, out=over)
        side = over.sign().to(torch.int16)
        # A streak goes on only on the same side; it starts with the side itself, and ends with 0.
        self.beyond.mul_(self.beyond * side > 0).add_(side)
        self.overshoot.mul_(self.beyond.abs() > 1).add_(over)
        for bound, reached in ((self.upper, self.beyond >= patience), (self.lower, self.beyond <= -patience)):
            index = reached.view(-1).nonzero().squeeze(1)
            bound.view(-1)[index] += self.overshoot.view(-1)[index] / patience
            self.overshoot.view(-1)[index] = 0
            self.beyond.view(-1)[index] = 0

    def _shrink(self, weight: torch.Tensor, patience: int, shrink: float) -> None:
        magnitude = weight.abs()
        self.shrinking.add_(1).mul_(magnitude < self.magnitude)
        self.magnitude = magnitude
        index = (self.shrinking >= patience).view(-1).nonzero().squeeze(1)
        for bound in (self.upper, self.lower):
            bound.view(-1)[index] *= shrink
        self.shrinking.view(-1)[index] = 0

    @torch.no_grad()
    def clamp(self, weight: torch.Tensor) -> None:
        """Bring weights into their ranges, in place."""
        torch.maximum(weight, self.lower, out=weight)
        torch.minimum(weight, self.upper, out=weight)

    def width(self) -> torch.Tensor:
        """How far each range reaches, :math:`r^+ + |r^-|`."""
        return self.upper - self.lower

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All tensors."""
        return {name: getattr(self, name) for name in self._NAMES}

    def load_state_dict(self, state: Any, where: str) -> None:
        """Restore what :meth:`state_dict` gave; ``where`` names the layer in errors."""
        for name, value in checked_state(state, self.state_dict(), where).items():
            getattr(self, name).copy_(value)
