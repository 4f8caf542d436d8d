"""What training runs came to, beside their unpruned controls, in torch and as compiled integer graphs.

Of each run the network of the last epoch counts (``last.pt``): no epoch is chosen. Its compiled graph runs on
the fast simulator over the whole test split, or with ``--test-range`` a part of it. *Convergence* is the
paper's (Han et al. 2024, section 2.5): the epochs that the control needs for its best test accuracy, over
those that the run needs for the same.

A run with ``data.test`` off has its first look at the test part here.

    uv run python benchmarks/results.py runs/mnist-2fc:runs/mnist-2fc-control ... [--json]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import deploy
from dpap.checkpoint import read_checkpoint
from dpap.data import load
from dpap.training import EpochRecord, accuracy, convergence, read_history
from dpap.training.run_config import RunConfig, make_run_config, read_run_config
from dpap.training.run_files import RunFiles


def history(files: RunFiles) -> list[EpochRecord]:
    """Epochs of a run."""
    (records,) = read_history(files.history).values()
    return records


def configuration(files: RunFiles) -> RunConfig:
    """How a run was made."""
    return make_run_config(read_run_config(files.config), where=str(files.config))


def accuracies(files: RunFiles, test_range: tuple[int, int] | None) -> tuple[float, float]:
    """Accuracy on the test split, or a part of it, of the last epoch's network and of its compiled graph."""
    network = read_checkpoint(files.last).network
    data = configuration(files).data
    (split,) = load(
        data.name,
        "test",
        time_steps=data.time_steps,
        encoder=data.encoder,
        subset=data.subset,
        test_range=test_range,
    )
    graph = deploy.compile(network)
    inputs = split.over_time(graph.time_steps, None)
    recording = deploy.run(graph, inputs, backend="fast", record=())
    return accuracy(network, split), recording.accuracy(split.labels)


def result(pair: str, test_range: tuple[int, int] | None = None) -> dict[str, Any]:
    """What a run came to, beside its control."""
    run, _, control = pair.partition(":")
    files = RunFiles(run)
    records = history(files)
    last = records[-1]
    in_torch, in_integers = accuracies(files, test_range)
    found = {
        "run": Path(run).name,
        "seed": configuration(files).training.seed,
        "epochs": last.epoch,
        "minutes": sum(record.seconds or 0.0 for record in records) / 60,
        "accuracy": in_torch,
        "integer_accuracy": in_integers,
        "pruning_rate": last.pruning_rate,
    }
    if control:
        beside = history(RunFiles(control))
        found["control_accuracy"], _ = accuracies(RunFiles(control), test_range)
        if any(record.test_accuracy is None for record in (*records, *beside)):
            return found
        reached = convergence(records, beside)
        found |= {
            "control_best": reached.accuracy,
            "epochs_to_control_best": {"control": reached.control_epochs, "run": reached.epochs},
            "convergence": reached.speedup,
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN[:CONTROL]", help="folders of dpap train")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--test-range",
        nargs=2,
        type=int,
        metavar=("FROM", "TO"),
        help="measure this part of the test split only",
    )
    options = parser.parse_args()
    test_range = None if options.test_range is None else tuple(options.test_range)
    results = [result(pair, test_range) for pair in options.runs]
    if options.json:
        print(json.dumps(results))
        return
    for found in results:
        print(found["run"])
        for name, value in found.items():
            if name != "run":
                print(f"  {name:24} {value:.4g}" if isinstance(value, float) else f"  {name:24} {value}")


if __name__ == "__main__":
    main()
