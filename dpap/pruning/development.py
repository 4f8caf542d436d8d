r"""How a network's structure develops: what a pruner does in each epoch, recorded for figures.

What Han et al. 2024 show in Fig. 4 can be drawn from it: connections over time, survival functions of pruned
units in their last epochs, importance of retained and of pruned units. Of layers with many synapses a part is
recorded, spread evenly over the layer.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from dpap.errors import InputError
from dpap.files import write_atomically
from dpap.pruning.pruner import Pruner
from dpap.state import checked_state

LAST_EPOCHS = 8
"""Epochs of survival functions that are kept of each unit, as in the paper's Fig. 4."""

SAMPLED = 4096
"""Units of a layer that are recorded at most."""

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the living units' survival functions, recorded in every epoch."""

_KINDS = ("synapses", "neurons")


class UnitRecord:
    """What is recorded of the synapses, or of the neurons, of one layer.

    Parameters
    ----------
    alive : bool Tensor
        The living units at the start, any shape.

    Attributes
    ----------
    places : int64 Tensor of shape (S,)
        Places of the recorded units in the flattened tensor of all.
    survival : float32 Tensor of shape (8, S)
        Survival functions at the ends of a unit's last epochs, the latest last; of a pruned unit the latest
        is that of the epoch that pruned it. Those before the first epoch are NaN.
    died : int64 Tensor of shape (S,)
        The epoch, from 1, that pruned the unit; 0 while it lives, -1 where it was absent at the start.
    importance, appraisals : Tensors of shape (S,)
        Normalised importance, summed over the epochs of the unit's life in which there was one, and their
        number.
    """

    def __init__(self, alive: torch.Tensor):
        total = alive.numel()
        self.places = torch.arange(min(total, SAMPLED)) * total // min(total, SAMPLED)
        count = len(self.places)
        self.survival = torch.full((LAST_EPOCHS, count), torch.nan)
        self.died = torch.where(self._of(alive), 0, -1)
        self.importance = torch.zeros(count, dtype=torch.float64)
        self.appraisals = torch.zeros(count, dtype=torch.int64)

    def _of(self, values: torch.Tensor) -> torch.Tensor:
        return values.detach().flatten()[self.places.to(values.device)].cpu()

    def take(
        self, epoch: int, alive: torch.Tensor, survival: torch.Tensor, importance: torch.Tensor | None
    ) -> None:
        """Record the end of an epoch, from 1; the tensors have a value for each unit of the layer."""
        living = self.died == 0
        self.survival[:, living] = torch.cat([self.survival[1:], self._of(survival)[None]])[:, living]
        if importance is not None:
            self.importance[living] += self._of(importance)[living].double()
            self.appraisals[living] += 1
        self.died[living & ~self._of(alive)] = epoch

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All that was recorded."""
        return {name: getattr(self, name) for name in ("survival", "died", "importance", "appraisals")}

    def load_state_dict(self, state: Any, where: str) -> None:
        """Restore what :meth:`state_dict` gave."""
        state = dict(state) if isinstance(state, dict) else {}
        # Survival functions before the first epoch are not numbers, which a state must otherwise be.
        survival = state.get("survival")
        if isinstance(survival, torch.Tensor):
            state["survival"] = survival.nan_to_num()
        shapes = {name: tuple(values.shape) for name, values in self.state_dict().items()}
        for name, values in checked_state(state, shapes, where).items():
            getattr(self, name).copy_(survival if name == "survival" else values)


class Development:
    """Records what a pruner does, epoch by epoch.

    Parameters
    ----------
    pruner : Pruner
        Survival functions are recorded of one that has them (:class:`dpap.DPAP`).

    Attributes
    ----------
    pruning_rates : dict of str to list of float
        Of each layer, by epoch: synapses removed over synapses at the start.
    neurons_alive : dict of str to list of int
        Living neurons (channels in convolutions), by epoch.
    quantiles : dict of (str, str) to list of list of float
        By layer and ``synapses`` or ``neurons``: :data:`QUANTILES` of the living units' survival functions,
        by epoch; NaN where none lives.
    units : dict of (str, str) to UnitRecord
        Likewise.
    """

    def __init__(self, pruner: Pruner):
        self.pruner = pruner
        self.pruning_rates: dict[str, list[float]] = {name: [] for name in pruner.layers}
        self.neurons_alive: dict[str, list[int]] = {name: [] for name in pruner.layers}
        self.units: dict[tuple[str, str], UnitRecord] = {}
        self.quantiles: dict[tuple[str, str], list[list[float]]] = {}
        for layer in pruner.prunable_layers:
            if hasattr(layer, "survival"):
                for kind, alive in zip(_KINDS, layer.life, strict=True):
                    self.units[layer.name, kind] = UnitRecord(alive)
                    self.quantiles[layer.name, kind] = []

    @torch.no_grad()
    def record(self) -> None:
        """Take in an epoch, after the pruner's ``after_epoch``."""
        for name, rate in self.pruner.pruning_rates.items():
            self.pruning_rates[name].append(rate)
            self.neurons_alive[name].append(int(self.pruner.layers[name].neuron_alive.sum()))
        for (name, kind), unit in self.units.items():
            layer, which = self.pruner.layers[name], _KINDS.index(kind)
            alive, survival = layer.life[which], layer.survival[which]
            appraised = None if layer.appraised is None else layer.appraised[which]
            unit.take(self.pruner.epoch, alive, survival, appraised)
            self.quantiles[name, kind].append(_quantiles(survival[alive]))

    def state_dict(self) -> dict[str, Any]:
        """All that was recorded: tensors and plain values."""
        return {
            "pruning_rates": self.pruning_rates,
            "neurons_alive": self.neurons_alive,
            "quantiles": {_key(*key): rows for key, rows in self.quantiles.items()},
            "units": {_key(*key): unit.state_dict() for key, unit in self.units.items()},
        }

    def load_state_dict(self, state: Any) -> None:
        """Go on from what :meth:`state_dict` gave.

        Raises
        ------
        InputError
            It is of another network or pruner.
        """
        try:
            rates = {name: list(map(float, state["pruning_rates"][name])) for name in self.pruning_rates}
            alive = {name: list(map(int, state["neurons_alive"][name])) for name in self.neurons_alive}
            rows = {
                key: [list(map(float, row)) for row in state["quantiles"][_key(*key)]] for key in self.units
            }
            units = {key: state["units"][_key(*key)] for key in self.units}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"development: the record is damaged, or of another network ({error})"
            ) from error
        for key, unit in self.units.items():
            unit.load_state_dict(units[key], f"development, {_key(*key)}")
        self.pruning_rates, self.neurons_alive, self.quantiles = rates, alive, rows

    def save(self, path: str | Path) -> None:
        """Write a compressed NumPy archive, whole or not at all.

        Its arrays are ``fc1/pruning_rate`` and ``fc1/neurons_alive``, one value an epoch; and for
        ``synapses`` and ``neurons`` of each layer with survival functions, by the names of
        :class:`UnitRecord`, ``fc1/synapses/places``, ``.../survival``, ``.../died``,
        ``.../importance`` (the mean over epochs, NaN where there was none) and ``.../quantiles``
        (epochs, 5).
        """
        arrays: dict[str, np.ndarray] = {}
        for name, rates in self.pruning_rates.items():
            arrays[f"{name}/pruning_rate"] = np.array(rates)
            arrays[f"{name}/neurons_alive"] = np.array(self.neurons_alive[name], dtype=np.int64)
        for key, unit in self.units.items():
            mean = torch.where(unit.appraisals > 0, unit.importance / unit.appraisals, torch.nan)
            kept = {"places": unit.places, "survival": unit.survival, "died": unit.died, "importance": mean}
            arrays |= {f"{_key(*key)}/{name}": values.numpy() for name, values in kept.items()}
            arrays[f"{_key(*key)}/quantiles"] = np.array(self.quantiles[key]).reshape(-1, len(QUANTILES))

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)

        write_atomically(path, write)


def _key(layer: str, kind: str) -> str:
    return f"{layer}/{kind}"


def _quantiles(values: torch.Tensor) -> list[float]:
    if not values.numel():
        return [float("nan")] * len(QUANTILES)
    ordered = values.float().sort().values
    places = torch.tensor(QUANTILES) * (len(ordered) - 1)
    return ordered[places.round().long().to(ordered.device)].tolist()
