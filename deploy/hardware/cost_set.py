"""The interface of cost sets; each set is one file with the schema of its values and its formulas."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from deploy.hardware.activity import StepCounts
from deploy.hardware.quantity import Description, Quantity
from deploy.hardware.result import Kind, Part
from deploy.hardware.workload import LayerWork, Options, Workload


class CostSet(Description):
    """Costs of operations and the formulas that they go into. Energies are in joules and times in seconds."""

    by_core: ClassVar[bool] = True
    """Whether it prices what each core does, so that neurons have to be placed."""

    @abstractmethod
    def parts(self, work: Workload, options: Options) -> tuple[Part, ...]:
        """Every part of the dynamic energy of an inference; one of unknown cost has the value None."""

    @abstractmethod
    def layer_energy(self, layer: LayerWork, options: Options) -> dict[str, float]:
        """Energy of a layer's ``synapses`` and ``neurons`` for given counts, in joules."""

    @abstractmethod
    def step_times(self, counts: StepCounts, work: Workload, options: Options) -> np.ndarray:
        """Time of each step of each sample, ``(samples, steps)`` in seconds."""

    @abstractmethod
    def assumptions(self, options: Options) -> tuple[str, ...]:
        """The assumptions of the formulas, a sentence each."""

    @property
    def energy_error(self) -> float | None:
        """Published relative error of the energies, where there is one."""
        return None

    @property
    def time_error(self) -> float | None:
        """Published relative error of the times, where there is one."""
        return None


def part(
    name: str,
    kind: Kind,
    count: int,
    energy: Quantity,
    work: Workload,
    options: Options,
    *,
    needed: bool = True,
) -> Part:
    """A count of a recording times the energy of one, per inference.

    Parameters
    ----------
    name, kind : str
    count : int
        Over all samples.
    energy : Quantity
    work : Workload
    options : Options
    needed : bool
        Whether an unknown energy is an error where unknown costs are refused; else the part has the value
        None.

    Raises
    ------
    UnknownValue
        The energy is unknown, needed, and refused.
    """
    refused = needed and options.unknown == "refuse"
    value = count * energy.si / work.samples if refused or energy.known else None
    return Part(name, kind, value, count / work.samples, energy.evidence, energy.source)
