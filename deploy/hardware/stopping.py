r"""Stopping an inference early: accuracy and energy after each time step, from one recorded run.

After step :math:`t` the class is decided that has fired most so far. No step knows of those after it, so that
the first steps of one recording serve for every :math:`t`. A spike that would arrive after the last step that
is run, since it is delayed or recurrent, is lost.

A sample can stop by itself as soon as its class leads: with :math:`n_1(t) \ge n_2(t)` the spikes of the two
classes that fired most, its confidence is :math:`(n_1 - n_2) / t`, from 0 to 1.

Index t of every layer belongs to input step t; on a chip a spike takes a further step for each layer, during
which the layers before it already work on what comes next. These steps are not counted, here as in
:func:`deploy.estimate`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from deploy.errors import HardwareError
from deploy.hardware.config import Hardware
from deploy.hardware.estimate import (
    checked_options,
    chosen_target,
    estimate_operations,
    estimate_placed,
)
from deploy.hardware.mapping import map_graph
from deploy.hardware.operations import OperationCosts
from deploy.hardware.result import Estimate
from deploy.hardware.workload import Options
from deploy.measurement.measurement import measure
from deploy.recording import Recording
from dpap.errors import InputError
from dpap.errors.expected_objects import expect

Curve = tuple[float | None, ...]


@dataclass(frozen=True)
class EarlyExit:
    """Accuracy and cost after 1, 2, ... time steps.

    Attributes
    ----------
    hardware : str
    label : str or None
        What has to be said with every number of this target.
    accuracy : tuple of float
        Share of samples whose class is right if all stop after that step, 0 to 1.
    energy, time : dict of str to tuple of float or None
        Dynamic energy in joules and time in seconds of the steps so far, the mean over samples, by cost set;
        None where it is unknown.
    """

    hardware: str
    label: str | None
    accuracy: tuple[float, ...]
    energy: dict[str, Curve]
    time: dict[str, Curve]

    def step_for(self, accuracy: float) -> int | None:
        """The first step, counted from 1, from which on the accuracy is at least the one that is wanted.

        Raises
        ------
        InputError
            The accuracy is not from 0 to 1.
        """
        _check_share("accuracy", accuracy)
        reached = np.array(self.accuracy) >= accuracy
        if not reached[-1]:
            return None
        return int(len(reached) - np.argmin(reached[::-1])) + 1 if not reached.all() else 1

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        curves = {
            name: {cost_set: list(curve) for cost_set, curve in getattr(self, name).items()}
            for name in ("energy", "time")
        }
        return {
            "hardware": self.hardware,
            "label": self.label,
            "accuracy": list(self.accuracy),
            **curves,
        }


@dataclass(frozen=True)
class ConfidentExit:
    """The cost of an inference if every sample stops as soon as it is confident, or else at the end.

    Attributes
    ----------
    hardware : str
    label : str or None
    confidence : float
    accuracy : float
        Of the classes when the samples stopped.
    stopped : tuple of int
        Samples that stopped after 1, 2, ... steps.
    mean_steps : float
    energy, time : dict of str to float or None
        Of an inference, the mean over samples, by cost set.
    """

    hardware: str
    label: str | None
    confidence: float
    accuracy: float
    stopped: tuple[int, ...]
    mean_steps: float
    energy: dict[str, float | None]
    time: dict[str, float | None]

    def to_dict(self) -> dict:
        """Plain numbers and text, for JSON."""
        return asdict(self) | {"stopped": list(self.stopped)}


def early_exit(
    recording: Recording, labels: Sequence[int], hardware: str | Path | Hardware = "loihi1", **options
) -> EarlyExit:
    """Accuracy, energy and time after each time step.

    Parameters
    ----------
    recording : Recording
    labels : sequence of int
        One for each sample.
    hardware : str, Path or Hardware
    **options
        ``active``, ``unknown``, ``oversized`` and ``cost_set``, as for :func:`deploy.estimate`.

    Raises
    ------
    InputError
        There are no samples, or not as many labels.
    HardwareError
        As :func:`deploy.estimate` raises it, or the target has no steps.
    """
    expect(recording, Recording, "recording", "deploy.early_exit(recording, labels)")
    labels = _checked_labels(recording, labels)
    priced = _Prices(recording, hardware, **options)
    everyone = np.arange(len(labels))
    stops = [priced(everyone, step + 1) for step in range(recording.inputs.shape[1])]
    sets = list(priced.target.cost_sets)
    return EarlyExit(
        hardware=priced.target.name,
        label=priced.target.label,
        accuracy=tuple(float(right) for right in (_decisions(recording) == labels[:, None]).mean(axis=0)),
        energy={name: tuple(stop.energy[name] for stop in stops) for name in sets},
        time={name: tuple(stop.latency[name] for stop in stops) for name in sets},
    )


def stop_when_confident(
    recording: Recording,
    labels: Sequence[int],
    confidence: float,
    hardware: str | Path | Hardware = "loihi1",
    **options,
) -> ConfidentExit:
    """The cost of an inference if every sample stops at the first step after which it is confident.

    Parameters
    ----------
    recording, labels, hardware, **options
        As for :func:`early_exit`.
    confidence : float
        Lead of the first class over the second in spikes a step, above 0 and up to 1.

    Raises
    ------
    InputError, HardwareError
        As :func:`early_exit`, or the confidence is out of range.
    """
    _check_share("confidence", confidence)
    if confidence == 0:
        raise InputError("confidence is 0; expected a number above 0 and up to 1")
    if recording.graph.activity.graded:
        raise InputError(
            "a lead in spikes a step is not defined for a network of sigma-delta units, whose outputs are"
            " logits; use deploy.early_exit"
        )
    labels = _checked_labels(recording, labels)
    priced = _Prices(recording, hardware, **options)
    sure = _confidences(recording) >= confidence
    sure[:, -1] = True
    last = sure.argmax(axis=1)
    energy = dict.fromkeys(priced.target.cost_sets, 0.0)
    time = dict.fromkeys(priced.target.cost_sets, 0.0)
    for step in np.unique(last):
        stopping = np.flatnonzero(last == step)
        result = priced(stopping, int(step) + 1)
        for totals, values in ((energy, result.energy), (time, result.latency)):
            for name in totals:
                totals[name] = _add(totals[name], values[name], len(stopping) / len(labels))
    decided = _decisions(recording)[np.arange(len(labels)), last]
    return ConfidentExit(
        hardware=priced.target.name,
        label=priced.target.label,
        confidence=float(confidence),
        accuracy=float((decided == labels).mean()),
        stopped=tuple(np.bincount(last, minlength=sure.shape[1]).tolist()),
        mean_steps=float((last + 1).mean()),
        energy=energy,
        time=time,
    )


def stops_early(hardware: str | Path | Hardware) -> bool:
    """Whether a target runs a network step by step, so that it can stop early."""
    target = chosen_target(hardware, None)
    return not any(_without_steps(costs) for costs in target.cost_sets.values())


def _without_steps(costs: object) -> bool:
    return isinstance(costs, OperationCosts) and costs.counting == "every_synapse"


class _Prices:
    """Estimates of the first steps of a recording, for any choice of its samples; it is placed once."""

    def __init__(
        self,
        recording: Recording,
        hardware: str | Path | Hardware,
        *,
        active: str = "input",
        unknown: str = "refuse",
        oversized: str = "refuse",
        cost_set: str | None = None,
    ):
        self._options: Options = checked_options(active, unknown, oversized)
        self.target = chosen_target(hardware, cost_set)
        for name, costs in self.target.cost_sets.items():
            if _without_steps(costs):
                raise HardwareError(
                    f"{self.target.name} ({name}) runs a network without time steps, which cannot stop early"
                )
        self._recording, self._mapping = recording, None
        if self.target.places_neurons:
            structure, layout = self.target.structure, self.target.synapse_format
            self._mapping = map_graph(recording.graph, structure, layout, oversized)

    def __call__(self, samples: np.ndarray, steps: int) -> Estimate:
        recording = replace(
            self._recording,
            inputs=self._recording.inputs[samples, :steps],
            kept={name: spikes[samples, :steps] for name, spikes in self._recording.kept.items()},
        )
        measurement = measure(recording.graph, recording)
        if self._mapping is None:
            return estimate_operations(measurement, self.target, self._options)
        return estimate_placed(measurement, self.target, self._options, self._mapping)


def _decisions(recording: Recording) -> np.ndarray:
    """Class after each step, ``(samples, steps)``; of classes that fired alike the lowest."""
    return recording.scores.argmax(axis=2)


def _confidences(recording: Recording) -> np.ndarray:
    """Lead of the first class over the second in spikes a step, ``(samples, steps)``."""
    fired = np.sort(recording.scores, axis=2)
    lead = fired[:, :, -1] - (fired[:, :, -2] if fired.shape[2] > 1 else 0)
    return lead / np.arange(1, fired.shape[1] + 1)


def _add(total: float | None, value: float | None, share: float) -> float | None:
    return None if total is None or value is None else total + share * value


def _checked_labels(recording: Recording, labels: Sequence[int]) -> np.ndarray:
    labels = np.asarray(labels)
    samples = len(recording.inputs)
    if not samples:
        raise InputError("the recording is of 0 samples; record at least one")
    if labels.shape != (samples,):
        raise InputError(f"labels have the shape {labels.shape}; the recording has {samples} samples")
    return labels


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}; expected a number from 0 to 1")
