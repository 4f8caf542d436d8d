"""Trainings that benchmarks compare: what each came to, seed by seed."""

import statistics
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from dpap.training.run import run_training
from dpap.training.run_config import make_run_config
from dpap.training.run_files import RunFiles


def trained(fields: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> dict[str, float]:
    """Accuracy on the test part and pruning rate after the last epoch of a training, and its seconds.

    Parameters
    ----------
    fields, changes
        As for :func:`dpap.training.run_config.make_run_config`.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        last = run_training(make_run_config(fields, changes), RunFiles(folder)).history[-1]
    return {
        "accuracy": last.test_accuracy,
        "pruning_rate": last.pruning_rate,
        "seconds": round(time.perf_counter() - started, 1),
    }


def table(results: Mapping[str, list[dict[str, float]]], what: str) -> str:
    """One line for each of what is compared, with the mean over seeds and the accuracy of each."""
    lines = [f"{what:10} {'accuracy, mean':>15} {'of each seed':>26} {'pruned':>8}"]
    for name, found in results.items():
        each = " ".join(f"{one['accuracy']:8.2%}" for one in found)
        mean, rate = (statistics.mean(one[key] for one in found) for key in ("accuracy", "pruning_rate"))
        lines.append(f"{name:10} {mean:15.2%} {each:>26} {rate:8.1%}")
    return "\n".join(lines)
