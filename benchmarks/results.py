"""What training runs came to, beside their unpruned controls, in torch and as compiled integer graphs.

Of each run the network of the last epoch counts (``last.safetensors``): no epoch is chosen. Its compiled
graph runs on the fast simulator over the whole test split, or with ``--test-range`` a part of it.
*Convergence* is the paper's (Han et al. 2024, section 2.5): the epochs that the control needs for its best
test accuracy, over those that the run needs for the same.

A run with ``data.test`` off has its first look at the test part here.

    uv run python benchmarks/results.py runs/mnist-2fc:runs/mnist-2fc-control ... [--json]
"""

import argparse
import json
from typing import Any

import deploy
from deploy.workflow.trained_run import TrainedRun, read_trained_run
from dpap.checkpoint import read_checkpoint
from dpap.data import Split
from dpap.networks import Network
from dpap.training import accuracy, convergence
from dpap.training.run_files import RunFiles


def last_network(run: TrainedRun) -> Network:
    """The network of the last epoch."""
    return read_checkpoint(RunFiles(run.folder).last).network


def integer_accuracy(network: Network, split: Split) -> float:
    """Accuracy of the compiled graph."""
    graph = deploy.compile(network)
    inputs = split.over_time(graph.time_steps, None)
    return deploy.run(graph, inputs, backend="fast", record=()).accuracy(split.labels)


def result(pair: str, test_range: tuple[int, int] | None = None) -> dict[str, Any]:
    """What a run came to, beside its control."""
    folder, _, control = pair.partition(":")
    run = read_trained_run(folder)
    network, split, last = last_network(run), run.test_split(test_range), run.history[-1]
    found = {
        "run": run.folder.name,
        "seed": run.config.training.seed,
        "epochs": last.epoch,
        "minutes": sum(record.seconds or 0.0 for record in run.history) / 60,
        "accuracy": accuracy(network, split),
        "integer_accuracy": integer_accuracy(network, split),
        "pruning_rate": last.pruning_rate,
    }
    if control:
        beside = read_trained_run(control)
        found["control_accuracy"] = accuracy(last_network(beside), beside.test_split(test_range))
        if any(record.test_accuracy is None for record in (*run.history, *beside.history)):
            return found
        reached = convergence(run.history, beside.history)
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
