"""The result of an estimate."""

from dataclasses import asdict, dataclass
from typing import Literal

from deploy.hardware.layer_mapping import LayerMapping
from deploy.hardware.loihi2 import CoreRange
from deploy.hardware.traffic import Traffic
from deploy.hardware.violation import Violation

Kind = Literal["synapses", "memory", "neurons", "messages", "hops", "synchronisation"]
"""What energy is spent on, whatever a cost set calls it."""


@dataclass(frozen=True)
class Part:
    """One kind of operation and its energy.

    Attributes
    ----------
    name : str
    kind : str
        ``synapses``, ``memory``, ``neurons``, ``messages``, ``hops`` or ``synchronisation``.
    value : float or None
        Joules an inference; None where the energy of one is not published.
    count : float
        How many there are in an inference, the mean over samples.
    evidence, source : str
        Of the energy of one.
    """

    name: str
    kind: Kind
    value: float | None
    count: float
    evidence: str
    source: str

    @property
    def unknown(self) -> bool:
        """Whether there are such operations and what they take is unknown."""
        return self.value is None and self.count > 0


@dataclass(frozen=True)
class CostSetEstimate:
    """Energy and time of an inference by one cost set. No two sets are to be added or mixed.

    Attributes
    ----------
    name : str
    parts : tuple of Part
        Of the dynamic energy.
    dynamic_energy : float or None
        Joules an inference: the sum of the parts that are known; a lower bound where one is not. None where
        no part is known. The unknown ones are named in ``assumptions``.
    static_energy : dict of str to float or None
        Joules an inference by each published static power, over this set's own time. Lines of their own: they
        are neither added to each other nor to the dynamic energy. None where a power or the time is unknown.
    time : float or None
        Seconds an inference; None where it is unknown.
    time_per_step : float or None
        Seconds a step, the mean.
    time_steps : int
        Of an inference.
    layers : dict of str to dict of str to float or None
        Dynamic energy of each layer's ``synapses`` and ``neurons``, joules an inference. Packets belong to no
        layer.
    energy_error, time_error : float or None
        Published relative error of the set against silicon.
    assumptions : tuple of str
    """

    name: str
    parts: tuple[Part, ...]
    dynamic_energy: float | None
    static_energy: dict[str, float | None]
    time: float | None
    time_per_step: float | None
    time_steps: int
    layers: dict[str, dict[str, float | None]]
    energy_error: float | None
    time_error: float | None
    assumptions: tuple[str, ...]

    @property
    def unknown_parts(self) -> tuple[str, ...]:
        """Parts that an inference has and whose energy is unknown."""
        return tuple(part.name for part in self.parts if part.unknown)

    @property
    def is_lower_bound(self) -> bool:
        """Whether the dynamic energy leaves out a part."""
        return bool(self.unknown_parts)

    @property
    def energy_per_step(self) -> float | None:
        """Dynamic energy of a step in joules, the mean."""
        return None if self.dynamic_energy is None else self.dynamic_energy / self.time_steps

    @property
    def by_kind(self) -> dict[str, float | None]:
        """Joules an inference of each kind of part; None where one of them is unknown."""
        kinds: dict[str, float | None] = {}
        for part in self.parts:
            sum_before = kinds.get(part.kind, 0.0)
            known = sum_before is not None and not part.unknown
            kinds[part.kind] = sum_before + (part.value or 0.0) if known else None
        return kinds

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return _listed(asdict(self)) | {
            "energy_per_step": self.energy_per_step,
            "by_kind": self.by_kind,
            "unknown_parts": list(self.unknown_parts),
            "is_lower_bound": self.is_lower_bound,
        }


@dataclass(frozen=True, eq=False)
class Estimate:
    """Cores, energy and time of a network on a hardware target.

    Attributes
    ----------
    hardware : str
    label : str or None
        What has to be said with every number of this target.
    samples : int
        Recorded inferences that energies and times are the mean of.
    mapping : dict of str to LayerMapping
        Cores of each layer, what limits them, and how full they are; empty where nothing is placed.
    cores, chips, tiles : int or None
        In use; None where nothing is placed.
    core_range : CoreRange or None
        Bounds of the cores, where the target's compiler is not public.
    traffic : Traffic or None
        Packets and hops of all samples; None where nothing is placed.
    violations : tuple of Violation
        Limits of the target that the network exceeds.
    cost_sets : dict of str to CostSetEstimate
    """

    hardware: str
    label: str | None
    samples: int
    mapping: dict[str, LayerMapping]
    cores: int | None
    chips: int | None
    tiles: int | None
    core_range: CoreRange | None
    traffic: Traffic | None
    violations: tuple[Violation, ...]
    cost_sets: dict[str, CostSetEstimate]

    def __repr__(self) -> str:
        cores = "no cores placed" if self.cores is None else f"{self.cores} cores"
        energies = (
            f"{name} {'unknown' if energy is None else f'{energy:.4g} J'}"
            for name, energy in self.energy.items()
        )
        return f"<Estimate on {self.hardware}, {self.samples} samples: {cores}; {', '.join(energies)}>"

    @property
    def fits(self) -> bool:
        """Whether every core keeps within its limits."""
        return not self.violations

    @property
    def energy(self) -> dict[str, float | None]:
        """Dynamic energy of an inference in joules, by cost set: alternatives, never summands."""
        return {name: costs.dynamic_energy for name, costs in self.cost_sets.items()}

    @property
    def latency(self) -> dict[str, float | None]:
        """Time of an inference in seconds, by cost set; None where it is unknown."""
        return {name: costs.time for name, costs in self.cost_sets.items()}

    @property
    def energy_interval(self) -> tuple[float, float] | None:
        """Lowest and highest dynamic energy over the cost sets in joules; None where no set knows one."""
        return _interval(self.energy)

    @property
    def latency_interval(self) -> tuple[float, float] | None:
        """Lowest and highest time over the cost sets in seconds; None where no set knows one."""
        return _interval(self.latency)

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return {
            "hardware": self.hardware,
            "label": self.label,
            "samples": self.samples,
            "cores": self.cores,
            "chips": self.chips,
            "tiles": self.tiles,
            "core_range": self.core_range and _listed(asdict(self.core_range)),
            "traffic": self.traffic and asdict(self.traffic),
            "fits": self.fits,
            "violations": [violation.to_dict() for violation in self.violations],
            "mapping": {name: layer.to_dict() for name, layer in self.mapping.items()},
            "energy_interval": _listed(self.energy_interval),
            "latency_interval": _listed(self.latency_interval),
            "cost_sets": {name: cost_set.to_dict() for name, cost_set in self.cost_sets.items()},
        }


def _interval(values: dict[str, float | None]) -> tuple[float, float] | None:
    known = [value for value in values.values() if value is not None]
    return (min(known), max(known)) if known else None


def _listed(value):
    """Tuples as lists, all the way down: what JSON would read back."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (tuple, list)) else value
