"""The record of the synapses, or of the neurons, of one layer during pruning."""

from typing import Any

import torch

from dpap.state import checked_state

LAST_EPOCHS = 8
"""Epochs of survival functions that are kept of each unit, as in the paper's Fig. 4."""

SAMPLED = 4096
"""Units of a layer that are recorded at most."""


class UnitRecord:
    """The record of the synapses, or of the neurons, of one layer.

    Parameters
    ----------
    alive : bool Tensor
        The remaining units at the start, any shape.

    Attributes
    ----------
    places : int64 Tensor of shape (S,)
        Places of the recorded units in the flattened tensor of all.
    survival : float32 Tensor of shape (8, S)
        Survival functions at the ends of a unit's last epochs, the latest last; of a pruned unit the latest
        is that of the epoch that pruned it. Those before the first epoch are NaN.
    pruned_in : int64 Tensor of shape (S,)
        The epoch, from 1, that pruned the unit; 0 while it is alive, -1 where it was absent at the start.
    importance, appraisals : Tensors of shape (S,)
        Normalised importance, summed over the epochs before the unit was pruned in which there was one, and
        their number.
    """

    def __init__(self, alive: torch.Tensor):
        total = alive.numel()
        self.places = torch.arange(min(total, SAMPLED)) * total // min(total, SAMPLED)
        count = len(self.places)
        self.survival = torch.full((LAST_EPOCHS, count), torch.nan)
        self.pruned_in = torch.where(self._of(alive), 0, -1)
        self.importance = torch.zeros(count, dtype=torch.float64)
        self.appraisals = torch.zeros(count, dtype=torch.int64)

    def _of(self, values: torch.Tensor) -> torch.Tensor:
        return values.detach().flatten()[self.places.to(values.device)].cpu()

    def take(
        self, epoch: int, alive: torch.Tensor, survival: torch.Tensor, importance: torch.Tensor | None
    ) -> None:
        """Record the end of an epoch, from 1; the tensors have a value for each unit of the layer."""
        retained = self.pruned_in == 0
        self.survival[:, retained] = torch.cat([self.survival[1:], self._of(survival)[None]])[:, retained]
        if importance is not None:
            self.importance[retained] += self._of(importance)[retained].double()
            self.appraisals[retained] += 1
        self.pruned_in[retained & ~self._of(alive)] = epoch

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All that was recorded."""
        return {
            "survival": self.survival,
            "died": self.pruned_in,
            "importance": self.importance,
            "appraisals": self.appraisals,
        }

    def load_state_dict(self, state: Any, where: str) -> None:
        """Restore what :meth:`state_dict` gave."""
        state = dict(state) if isinstance(state, dict) else {}
        # Survival functions before the first epoch are not numbers, which a state must otherwise be.
        survival = state.get("survival")
        if isinstance(survival, torch.Tensor):
            state["survival"] = survival.nan_to_num()
        own = self.state_dict()
        for name, values in checked_state(state, own, where).items():
            own[name].copy_(survival if name == "survival" else values)
