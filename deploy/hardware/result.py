"""What an estimate consists of."""

from dataclasses import asdict, dataclass

from deploy.hardware.mapping import LayerMapping


@dataclass(frozen=True)
class Part:
    """One kind of operation and its energy.

    Attributes
    ----------
    name : str
    value : float or None
        Joules an inference; None where the energy of one is not published.
    count : float
        How many there are in an inference, the mean over samples.
    evidence, source : str
        Of the energy of one.
    """

    name: str
    value: float | None
    count: float
    evidence: str
    source: str


@dataclass(frozen=True)
class CostSetEstimate:
    """Energy and time of an inference by one cost set. No two sets are to be added or mixed.

    Attributes
    ----------
    name : str
    parts : tuple of Part
        Of the dynamic energy.
    dynamic_energy : float
        Joules an inference: the sum of the parts that are known. The others are named in ``assumptions``.
    static_energy : dict of str to float or None
        Joules an inference by each published static power, over this set's own time. Lines of their own: they
        are neither added to each other nor to the dynamic energy. None where a power or the time is unknown.
    time : float or None
        Seconds an inference; None where it is unknown.
    time_per_step : float or None
        Seconds a step, the mean.
    layers : dict of str to dict of str to float
        Dynamic energy of each layer's ``synapses`` and ``neurons``, joules an inference. Packets belong to no
        layer.
    energy_error, time_error : float or None
        Published relative error of the set against silicon.
    assumptions : tuple of str
    """

    name: str
    parts: tuple[Part, ...]
    dynamic_energy: float
    static_energy: dict[str, float | None]
    time: float | None
    time_per_step: float | None
    layers: dict[str, dict[str, float]]
    energy_error: float | None
    time_error: float | None
    assumptions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Cores, energy and time of a network on a hardware target.

    Attributes
    ----------
    hardware : str
    samples : int
        Recorded inferences that energies and times are the mean of.
    mapping : dict of str to LayerMapping
        Cores of each layer, what limits them, and how full the fullest is.
    cores, chips, tiles : int
        In use.
    cost_sets : dict of str to CostSetEstimate
    """

    hardware: str
    samples: int
    mapping: dict[str, LayerMapping]
    cores: int
    chips: int
    tiles: int
    cost_sets: dict[str, CostSetEstimate]

    @property
    def fits(self) -> bool:
        """Whether every core keeps within its limits."""
        return all(layer.fits for layer in self.mapping.values())

    @property
    def energy(self) -> dict[str, float]:
        """Dynamic energy of an inference in joules, by cost set: alternatives, never summands."""
        return {name: costs.dynamic_energy for name, costs in self.cost_sets.items()}

    @property
    def latency(self) -> dict[str, float | None]:
        """Time of an inference in seconds, by cost set; None where it is unknown."""
        return {name: costs.time for name, costs in self.cost_sets.items()}

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return {
            "hardware": self.hardware,
            "samples": self.samples,
            "cores": self.cores,
            "chips": self.chips,
            "tiles": self.tiles,
            "fits": self.fits,
            "mapping": {name: layer.to_dict() for name, layer in self.mapping.items()},
            "cost_sets": {name: _listed(asdict(cost_set)) for name, cost_set in self.cost_sets.items()},
        }


def _listed(value):
    """Tuples as lists, all the way down: what JSON would read back."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (tuple, list)) else value
