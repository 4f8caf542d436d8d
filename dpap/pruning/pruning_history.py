r"""The history of pruning: what a pruner does in each epoch, recorded for figures.

What Han et al. 2024 show in Fig. 4 can be drawn from it: connections over time, survival functions of pruned
units in their last epochs, importance of retained and of pruned units. Of layers with many synapses a part is
recorded, spread evenly over the layer. Of SD-SNN: the spine ranges, and what is pruned and regrown.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from dpap.errors import InputError
from dpap.files.arrays import save_arrays
from dpap.pruning.pruner import Pruner
from dpap.pruning.turnover import Turnover
from dpap.pruning.unit_record import UnitRecord
from dpap.state import check_keys, checked_numbers

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of survival functions and of the widths of spine ranges, recorded in every epoch."""

KINDS = ("synapses", "neurons")
"""What has survival functions."""


class PruningHistory:
    r"""Records what a pruner does, epoch by epoch.

    Parameters
    ----------
    pruner : Pruner
        Survival functions are recorded of one that has them (:class:`dpap.DPAP`), spine ranges and the
        turnover of one that has ranges (:class:`dpap.SDSNN`).

    Attributes
    ----------
    pruning_rates : dict of str to list of float
        Of each layer, by epoch: synapses removed over synapses at the start.
    neurons_alive : dict of str to list of int
        Remaining neurons (channels in convolutions), by epoch.
    quantiles : dict of (str, str) to list of list of float
        By layer and ``synapses`` or ``neurons``: :data:`QUANTILES` of the remaining units' survival
        functions, by epoch; NaN where none is left.
    units : dict of (str, str) to UnitRecord
        Likewise.
    ranges : dict of str to list of list of float
        By layer: :data:`QUANTILES` of the widths :math:`r^+ - r^-` of the remaining weights' spine ranges, by
        epoch; NaN where none is left. Those of weights, so without unit.
    turnover : Turnover or None
    """

    def __init__(self, pruner: Pruner):
        self.pruner = pruner
        self.pruning_rates: dict[str, list[float]] = {name: [] for name in pruner.layers}
        self.neurons_alive: dict[str, list[int]] = {name: [] for name in pruner.layers}
        self.units: dict[tuple[str, str], UnitRecord] = {}
        self.quantiles: dict[tuple[str, str], list[list[float]]] = {}
        for layer in pruner.prunable_layers:
            if hasattr(layer, "survival"):
                for kind, alive in zip(KINDS, layer.alive_masks, strict=True):
                    self.units[layer.name, kind] = UnitRecord(alive)
                    self.quantiles[layer.name, kind] = []
        self.ranges: dict[str, list[list[float]]] = {
            layer.name: [] for layer in pruner.prunable_layers if hasattr(layer, "ranges")
        }
        self.turnover = Turnover(pruner) if self.ranges else None

    @torch.no_grad()
    def record(self) -> None:
        """Take in an epoch, after the pruner's ``after_epoch``."""
        for name, rate in self.pruner.pruning_rates.items():
            self.pruning_rates[name].append(rate)
            self.neurons_alive[name].append(int(self.pruner.layers[name].neuron_alive.sum()))
        for (name, kind), unit in self.units.items():
            layer, which = self.pruner.layers[name], KINDS.index(kind)
            alive, survival = layer.alive_masks[which], layer.survival[which]
            appraised = None if layer.appraised is None else layer.appraised[which]
            unit.take(self.pruner.epoch, alive, survival, appraised)
            self.quantiles[name, kind].append(_quantiles(survival[alive]))
        for name, rows in self.ranges.items():
            layer = self.pruner.layers[name]
            rows.append(_quantiles(layer.ranges.width()[layer.synapse_alive].flatten()))
        if self.turnover is not None:
            self.turnover.record()

    def state_dict(self) -> dict[str, Any]:
        """All that was recorded: tensors and plain values."""
        return {
            "pruning_rates": self.pruning_rates,
            "neurons_alive": self.neurons_alive,
            "quantiles": {_key(*key): rows for key, rows in self.quantiles.items()},
            "units": {_key(*key): unit.state_dict() for key, unit in self.units.items()},
            "ranges": self.ranges,
            "turnover": None if self.turnover is None else self.turnover.state_dict(),
        }

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` gave, after the pruner's own state.

        Raises
        ------
        InputError
            It is of another network or pruner.
        """
        where, layers = "development", self.pruner.layers
        check_keys(state, self.state_dict(), where)
        check_keys(state["pruning_rates"], layers, f"{where}, pruning_rates")
        check_keys(state["neurons_alive"], layers, f"{where}, neurons_alive")
        check_keys(state["ranges"], self.ranges, f"{where}, ranges")
        for name in ("quantiles", "units"):
            check_keys(state[name], {_key(*key): None for key in self.units}, f"{where}, {name}")
        epochs = self.pruner.epoch
        rates = {
            name: checked_numbers(
                state["pruning_rates"][name], f"{where}, {name}, pruning_rates", count=epochs, least=0, most=1
            )
            for name in layers
        }
        alive = {
            name: checked_numbers(
                state["neurons_alive"][name],
                f"{where}, {name}, neurons_alive",
                count=epochs,
                whole=True,
                least=0,
                most=layer.neuron_alive.numel(),
            )
            for name, layer in layers.items()
        }
        rows = {key: _rows(state["quantiles"][_key(*key)], epochs, _key(*key)) for key in self.units}
        ranges = {name: _rows(state["ranges"][name], epochs, f"{name}/ranges") for name in self.ranges}
        for key, unit in self.units.items():
            unit.load_state_dict(state["units"][_key(*key)], f"{where}, {_key(*key)}")
        if self.turnover is not None:
            self.turnover.load_state_dict(state["turnover"])
        self.pruning_rates, self.neurons_alive, self.quantiles = rates, alive, rows
        self.ranges = ranges

    def save(self, path: str | Path) -> None:
        """Write a compressed NumPy archive, whole or not at all (:func:`dpap.pruning.read_pruning_history`).

        Its arrays are ``fc1/pruning_rate`` and ``fc1/neurons_alive``, one value an epoch; and for
        ``synapses`` and ``neurons`` of each layer with survival functions, by the names of
        :class:`UnitRecord`, ``fc1/synapses/places``, ``.../survival``, ``.../died``,
        ``.../importance`` (the mean over epochs, NaN where there was none) and ``.../quantiles``
        (epochs, 5). Of SD-SNN ``fc1/ranges`` (epochs, 5), and of each layer what
        :meth:`Turnover.arrays` gives.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, rates in self.pruning_rates.items():
            arrays[f"{name}/pruning_rate"] = np.array(rates)
            arrays[f"{name}/neurons_alive"] = np.array(self.neurons_alive[name], dtype=np.int64)
        for key, unit in self.units.items():
            mean = torch.where(unit.appraisals > 0, unit.importance / unit.appraisals, torch.nan)
            kept = {
                "places": unit.places,
                "survival": unit.survival,
                "died": unit.pruned_in,
                "importance": mean,
            }
            arrays |= {f"{_key(*key)}/{name}": values.numpy() for name, values in kept.items()}
            arrays[f"{_key(*key)}/quantiles"] = np.array(self.quantiles[key]).reshape(-1, len(QUANTILES))
        for name, rows in self.ranges.items():
            arrays[f"{name}/ranges"] = np.array(rows).reshape(-1, len(QUANTILES))
        if self.turnover is not None:
            arrays |= self.turnover.arrays()
        save_arrays(path, arrays)


def _key(layer: str, kind: str) -> str:
    return f"{layer}/{kind}"


def _rows(state: Any, epochs: int, name: str) -> list[list[float]]:
    """Quantiles of as many epochs, from a state."""
    where = f"development, {name}"
    if not isinstance(state, list) or len(state) != epochs:
        found = f"{len(state)} rows" if isinstance(state, list) else f"a {type(state).__name__}"
        raise InputError(f"{where}: the state is {found}; expected a list of {epochs}, one an epoch")
    return [checked_numbers(row, where, count=len(QUANTILES), finite=False) for row in state]


def _quantiles(values: torch.Tensor) -> list[float]:
    if not values.numel():
        return [float("nan")] * len(QUANTILES)
    ordered = values.float().sort().values
    places = torch.tensor(QUANTILES) * (len(ordered) - 1)
    return ordered[places.round().long().to(ordered.device)].tolist()
