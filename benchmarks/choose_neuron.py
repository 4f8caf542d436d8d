"""How the neuron of ``runs/mnist.yaml`` was chosen: on 10,000 images held back from MNIST's training part.

A short training of the file's network, not pruned, whose rate falls to zero along half a cosine, step
by step. Prints the loss over the last sixth of it, and loss and accuracy on the images held back; the test
part is not read. Every setting sees the same images in the same order.

    DPAP_DATA=... uv run python benchmarks/choose_neuron.py                                  # the file's
    DPAP_DATA=... uv run python benchmarks/choose_neuron.py network.neuron.voltage_decay=0.8 # another
"""

import argparse
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from deploy.cli.train import field_changes
from dpap.data import Split
from dpap.runtime.threads import threads
from dpap.training import rate_loss
from dpap.training.epoch import batches, evaluate, learn_epoch
from dpap.training.optimization import make_optimizer
from dpap.training.run_config import RunConfig, make_run_config, read_run_config
from dpap.training.start import build_network, load_splits

HELD_BACK = 10_000
WARM_UP = 50
"""Steps over which the rate rises."""

CHANGES = {
    "method": "none",
    "pruning.target": None,
    "data.validation": HELD_BACK,
    "data.test": False,
}
"""Of the file: nothing is pruned, and the test part is not read."""


def endless(split: Split, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """Whole batches, epoch after epoch."""
    epoch = 1
    while True:
        order = np.random.default_rng((0, epoch)).permutation(len(split))
        yield from batches(split, order[: len(order) // size * size], size, torch.device("cpu"), epoch)
        epoch += 1


def falling(training_batches: Iterator, optimizer: torch.optim.Optimizer, steps: int) -> Iterator:
    """So many batches; before each the rate becomes that of its step."""
    highest = optimizer.param_groups[0]["lr"]
    for step, batch in enumerate(islice(training_batches, steps)):
        rate = highest * 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1, (step + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = rate
        yield batch


def chosen_by(config: RunConfig, steps: int, time_steps: int) -> str:
    """What a training of so many steps comes to."""
    splits = load_splits(config)
    network = build_network(config, splits["train"])
    optimizer = make_optimizer(network, config.training)
    training_batches = falling(endless(splits["train"], config.training.batch_size), optimizer, steps)
    with network.running(time_steps):
        learn_epoch(network, optimizer, islice(training_batches, steps - steps // 6), rate_loss)
        learned = learn_epoch(network, optimizer, training_batches, rate_loss)
    found = evaluate(network, splits["validation"], rate_loss)
    return (
        f"training: loss {learned.loss:.4f}, {learned.accuracy:.2%} right;"
        f" held back: loss {found.loss:.4f}, {found.accuracy:.2%} right"
    )


def main() -> None:
    """Train and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="FIELD=VALUE", help="in place of the file's")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--time-steps", type=int, default=4, help="of an inference in training")
    options = parser.parse_args()
    path = Path(__file__).with_name("runs") / "mnist.yaml"
    changes = CHANGES | field_changes(options.settings)
    config = make_run_config(read_run_config(path), changes, str(path))
    with threads(1):
        found = chosen_by(config, options.steps, options.time_steps)
    print(" ".join(options.settings) or "the file's", found, sep=": ")


if __name__ == "__main__":
    main()
