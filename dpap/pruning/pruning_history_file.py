"""A recorded pruning history, as it is read from a file: validated, nothing of it executed."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpap.errors import InputError
from dpap.errors.renamed import old_property
from dpap.files.arrays import load_arrays
from dpap.networks.builder import MAX_NEURONS
from dpap.pruning.pruning_history import KINDS, QUANTILES
from dpap.pruning.turnover import FLOWS
from dpap.pruning.unit_record import LAST_EPOCHS, SAMPLED

_UNIT_ARRAYS = ("places", "survival", "died", "importance", "quantiles")
_NAME = re.compile(
    rf"(?P<layer>.+)/(?P<array>pruning_rate|neurons_alive|ranges|{'|'.join(FLOWS)}"
    rf"|(?:{'|'.join(KINDS)})/(?:{'|'.join(_UNIT_ARRAYS)}))"
)
_LARGEST = 1 << 26
"""Bytes of an array: quantiles of more than a million epochs."""
_ROUNDING = 1e-6
"""By which a mean of importances in [0, 1] may leave it."""


@dataclass(frozen=True, eq=False)
class RecordedUnitHistory:
    """The recorded history of a layer's synapses, or neurons.

    Attributes
    ----------
    places, survival, pruned_in, importance : arrays
        Of the recorded units, as in :class:`dpap.pruning.unit_record.UnitRecord`; the importance is the mean
        over the epochs until the unit was pruned, NaN where there was none.
    quantiles : array of shape (epochs, 5)
        Of the remaining units' survival functions; NaN where none was left.
    """

    places: np.ndarray
    survival: np.ndarray
    pruned_in: np.ndarray
    importance: np.ndarray
    quantiles: np.ndarray

    died = old_property("died", "pruned_in")  # old name

    @property
    def pruned(self) -> np.ndarray:
        """The recorded units that were pruned during the training, bool."""
        return self.pruned_in > 0

    @property
    def retained(self) -> np.ndarray:
        """The recorded units that are still alive, bool."""
        return self.pruned_in == 0


@dataclass(frozen=True, eq=False)
class RecordedLayerHistory:
    """The recorded history of a layer.

    Attributes
    ----------
    pruning_rate : float array of shape (epochs,)
        Synapses removed over synapses at the start.
    neurons_alive : int array of shape (epochs,)
    units : dict of str to RecordedUnitHistory
        Of ``synapses`` and ``neurons``, where they have survival functions.
    ranges : array of shape (epochs, 5), or None
        Quantiles of the widths of spine ranges.
    turnover : dict of str to int array of shape (epochs,)
        By the names of :data:`dpap.pruning.turnover.FLOWS`; empty where nothing is regrown.
    """

    pruning_rate: np.ndarray
    neurons_alive: np.ndarray
    units: dict[str, RecordedUnitHistory]
    ranges: np.ndarray | None
    turnover: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class RecordedPruningHistory:
    """The recorded pruning history of a training.

    Attributes
    ----------
    epochs : int
    layers : dict of str to RecordedLayerHistory
        In the network's order.
    """

    epochs: int
    layers: dict[str, RecordedLayerHistory]


def read_pruning_history(path: str | Path) -> RecordedPruningHistory:
    """Read what :meth:`dpap.pruning.PruningHistory.save` wrote.

    Raises
    ------
    InputError
        The file is missing, damaged, too large, or of another form; the array is named.
    """
    arrays = load_arrays(path, _LARGEST, "a pruning history")
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, values in arrays.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"{path}: {name} is no array of a pruning history")
        found.setdefault(match["layer"], {})[match["array"]] = values
    rates = [own["pruning_rate"] for own in found.values() if "pruning_rate" in own]
    epochs = len(rates[0]) if rates and rates[0].ndim else 0
    layers = {layer: _Reader(f"{path}: {layer}", own, epochs).layer() for layer, own in found.items()}
    return RecordedPruningHistory(epochs, layers)


class _Reader:
    """The arrays of one layer, taken one by one and checked."""

    def __init__(self, where: str, arrays: dict[str, np.ndarray], epochs: int):
        self.where, self.arrays, self.epochs = where, arrays, epochs

    def layer(self) -> RecordedLayerHistory:
        has_units = [kind for kind in KINDS if any(name.startswith(f"{kind}/") for name in self.arrays)]
        has_turnover = any(flow in self.arrays for flow in FLOWS)
        epochs = (self.epochs,)
        return RecordedLayerHistory(
            pruning_rate=self.reals("pruning_rate", epochs, 0, 1),
            neurons_alive=self.whole("neurons_alive", epochs, 0, MAX_NEURONS),
            units={kind: self.units(kind) for kind in has_units},
            ranges=self.quantiles("ranges", 0) if "ranges" in self.arrays else None,
            turnover={flow: self.whole(flow, epochs, 0, MAX_NEURONS) for flow in FLOWS}
            if has_turnover
            else {},
        )

    def units(self, kind: str) -> RecordedUnitHistory:
        places = self.whole(f"{kind}/places", (None,), 0, MAX_NEURONS)
        count = (len(places),)
        if not 0 < len(places) <= SAMPLED:
            raise InputError(f"{self.where}/{kind}/places has {len(places)} units; expected 1 to {SAMPLED}")
        return RecordedUnitHistory(
            places=places,
            survival=self.reals(f"{kind}/survival", (LAST_EPOCHS, *count), -np.inf, np.inf, missing=True),
            pruned_in=self.whole(f"{kind}/died", count, -1, self.epochs),
            importance=self.reals(f"{kind}/importance", count, -_ROUNDING, 1 + _ROUNDING, missing=True),
            quantiles=self.quantiles(f"{kind}/quantiles", -np.inf),
        )

    def quantiles(self, name: str, lowest: float) -> np.ndarray:
        values = self.reals(name, (self.epochs, len(QUANTILES)), lowest, np.inf, missing=True)
        if (np.diff(values, axis=1) < 0).any():
            raise InputError(f"{self.where}/{name}: quantiles do not rise")
        return values

    def reals(
        self, name: str, shape: tuple[int | None, ...], lowest: float, highest: float, missing: bool = False
    ) -> np.ndarray:
        values = self._array(name, shape, "f")
        known = values[~np.isnan(values)] if missing else values
        self._check_range(name, known, lowest, highest)
        return values

    def whole(self, name: str, shape: tuple[int | None, ...], lowest: int, highest: int) -> np.ndarray:
        values = self._array(name, shape, "iu")
        self._check_range(name, values, lowest, highest)
        return values

    def _check_range(self, name: str, values: np.ndarray, lowest: float, highest: float) -> None:
        if not (np.isfinite(values) & (values >= lowest) & (values <= highest)).all():
            raise InputError(f"{self.where}/{name} has a value outside of {lowest} to {highest}")

    def _array(self, name: str, shape: tuple[int | None, ...], kinds: str) -> np.ndarray:
        if name not in self.arrays:
            raise InputError(f"{self.where}/{name} is missing")
        values = self.arrays[name]
        fits = values.ndim == len(shape) and all(
            size in (None, own) for size, own in zip(shape, values.shape, strict=True)
        )
        if values.dtype.kind not in kinds or not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise InputError(
                f"{self.where}/{name} is of type {values.dtype} and shape {values.shape}; expected"
                f" {'numbers' if kinds == 'f' else 'whole numbers'} of shape ({wanted})"
            )
        return values
