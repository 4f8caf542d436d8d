"""What is pruned and what is regrown in each epoch, of pruners that do both."""

from typing import Any

import numpy as np
import torch

from dpap.pruning.pruner import Pruner
from dpap.state import check_keys, checked_numbers

FLOWS = ("synapses_pruned", "synapses_regrown", "neurons_pruned", "neurons_regrown")
"""What is counted of each layer in every epoch."""


class Turnover:
    r"""Counts what a pruner removed and brought back, epoch by epoch, from the alive masks at their ends.

    A synapse is alive between remaining neurons on both sides, as in the pruning rates, so that with
    :math:`L_e` the remaining synapses of a layer after epoch :math:`e`

    .. math::
        |L_e| = |L_{e-1}| - |L_{e-1} \setminus L_e| + |L_e \setminus L_{e-1}|,

    the number pruned and the number regrown. What is regrown and pruned in the same epoch is in neither.

    Parameters
    ----------
    pruner : Pruner
        Between two epochs.

    Attributes
    ----------
    counts : dict of str to dict of str to list of int
        By layer, and by the names of :data:`FLOWS`: one number an epoch.
    """

    def __init__(self, pruner: Pruner):
        self.pruner = pruner
        self.counts: dict[str, dict[str, list[int]]] = {
            name: {flow: [] for flow in FLOWS} for name in pruner.layers
        }
        self._before = self._alive()

    def _alive(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        neurons = {name: layer.neuron_alive.clone() for name, layer in self.pruner.layers.items()}
        return {name: (synapses.clone(), neurons[name]) for name, synapses in self.pruner.masks.items()}

    def record(self) -> None:
        """Take in an epoch, after the pruner's ``after_epoch``."""
        now = self._alive()
        for name, counts in self.counts.items():
            for kind, before, after in zip(
                ("synapses", "neurons"), self._before[name], now[name], strict=True
            ):
                counts[f"{kind}_pruned"].append(int((before & ~after).sum()))
                counts[f"{kind}_regrown"].append(int((after & ~before).sum()))
        self._before = now

    def arrays(self) -> dict[str, np.ndarray]:
        """The counts, int64 ``(epochs,)``, by layer and flow: ``fc1/synapses_pruned``."""
        return {
            f"{name}/{flow}": np.array(numbers, dtype=np.int64)
            for name, counts in self.counts.items()
            for flow, numbers in counts.items()
        }

    def state_dict(self) -> dict[str, dict[str, list[int]]]:
        """The counts; alive masks are in the pruner's own state."""
        return self.counts

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave, after the pruner's own state.

        Raises
        ------
        InputError
            It is of another network.
        """
        check_keys(state, self.counts, "turnover")
        for name in self.counts:
            check_keys(state[name], dict.fromkeys(FLOWS), f"turnover, {name}")
        self.counts = {
            name: {
                flow: checked_numbers(
                    state[name][flow],
                    f"turnover, {name}, {flow}",
                    count=self.pruner.epoch,
                    whole=True,
                    least=0,
                )
                for flow in FLOWS
            }
            for name in self.counts
        }
        self._before = self._alive()
