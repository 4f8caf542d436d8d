"""What SD-SNN costs: one update of the structure, and the growth signal in a training step.

(a) One structure update, ranges, regeneration and neuronal pruning of all layers, on one core, for the
papers' networks on MNIST (28 x 28) and CIFAR-10 (32 x 32): median and lowest of several.
(b) A training step on MNIST, T = 8, batch 50, two threads, without and with SD-SNN's growth signal
gathered: the two take turns, round by round; printed is the median over rounds of the ratio within a round.

    uv run python benchmarks/structure.py [--json]
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch
from rounds import ratio, seconds_by_round, training_step

import dpap

MNIST = ("15C3-AP2-40C3-AP2-300FC-10FC", (1, 28, 28))
CIFAR10 = ("128C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-512FC-10FC", (3, 32, 32))
"""The paper's networks; where CIFAR-10's has max pools, which have no synapses, this one has sums."""

STEPS, BATCH, INPUT_MAX = 8, 50, 255
UPDATE_THREADS, STEP_THREADS = 1, 2


def update_seconds(notation: str, shape: tuple[int, ...], repeats: int) -> list[float]:
    """Seconds of each of several structure updates, with weights and growth signals that change."""
    torch.set_num_threads(UPDATE_THREADS)
    torch.manual_seed(0)
    network = dpap.networks.build(notation, shape, STEPS)
    pruner = dpap.SDSNN(network)
    # From here on synapses can come back and neurons are pruned.
    pruner.epoch = 2 * pruner.config.patience + 1
    seconds = []
    for _ in range(repeats):
        with torch.no_grad():
            for layer in pruner.prunable_layers:
                layer.block.weight.mul_(1 + 0.1 * torch.randn_like(layer.block.weight))
                layer.gradient.normal_()
        started = time.perf_counter()
        pruner.after_epoch()
        seconds.append(time.perf_counter() - started)
    return seconds


def learning() -> dict[bool, Callable[[], None]]:
    """A training step of the MNIST network without and with the growth signal gathered.

    The network and the optimiser are the same, so that where they lie in memory makes no difference.
    """
    torch.manual_seed(0)
    notation, shape = MNIST
    network = dpap.networks.build(notation, shape, STEPS, input_max=INPUT_MAX)
    inputs = (torch.rand(BATCH, *shape).pow(4) * INPUT_MAX).round()
    labels = torch.randint(0, 10, (BATCH,))
    step = training_step(network, inputs, labels)
    pruner = dpap.SDSNN(network)

    def without() -> None:
        pruner.epoch = 0
        step()

    def gathering() -> None:
        pruner.epoch = 2 * pruner.config.patience + 1
        step()
        pruner.after_batch()

    return {False: without, True: gathering}


def step_seconds(rounds: int, repeats: int) -> dict[bool, list[float]]:
    """Seconds a training step without and with the growth signal, by round."""
    torch.set_num_threads(STEP_THREADS)
    return seconds_by_round(learning(), rounds, lambda _: repeats)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--updates", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    updates = {
        name: update_seconds(*network, options.updates)
        for name, network in (("mnist", MNIST), ("cifar10", CIFAR10))
    }
    steps = step_seconds(options.rounds, options.repeats)
    result = {
        "sdsnn_update_ms": 1e3 * statistics.median(updates["mnist"]),
        "sdsnn_update_ms_lowest": 1e3 * min(updates["mnist"]),
        "sdsnn_update_cifar10_ms": 1e3 * statistics.median(updates["cifar10"]),
        "sdsnn_update_cifar10_ms_lowest": 1e3 * min(updates["cifar10"]),
        "sdsnn_step_overhead": ratio(steps[True], steps[False]) - 1,
        "step_ms": 1e3 * statistics.median(steps[False]),
        "conditions": {
            "networks": {"mnist": MNIST[0], "cifar10": CIFAR10[0]},
            "time_steps": STEPS,
            "batch": BATCH,
            "threads": {"update": UPDATE_THREADS, "step": STEP_THREADS},
            "rounds": options.rounds,
            "torch": torch.__version__,
            "machine": platform.machine(),
        },
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        if name != "conditions":
            print(f"{name}: {value:.3g}")


if __name__ == "__main__":
    main()
