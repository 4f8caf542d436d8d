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
from typing import Any

import numpy as np
import torch
import yaml

from dpap.data import Split, load
from dpap.networks import build
from dpap.threads import threads
from dpap.training import rate_loss
from dpap.training.epoch import batches, learn_epoch, measured
from dpap.training.optimization import make_optimizer
from dpap.training.run_config import RunConfig, make_run_config, read_run_config

HELD_BACK = 10_000
WARM_UP = 50
"""Steps over which the rate rises."""

UNPRUNED = {"method": "none", "pruning.target": None}


def endless(split: Split, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """Whole batches, epoch after epoch."""
    epoch = 1
    while True:
        order = np.random.default_rng((0, epoch)).permutation(len(split))
        yield from batches(split, order[: len(order) // size * size], size, torch.device("cpu"), epoch)
        epoch += 1


def falling(learned_from: Iterator, optimizer: torch.optim.Optimizer, steps: int) -> Iterator:
    """So many batches; before each the rate becomes that of its step."""
    highest = optimizer.param_groups[0]["lr"]
    for step, batch in enumerate(islice(learned_from, steps)):
        rate = highest * 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1, (step + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = rate
        yield batch


def chosen_by(config: RunConfig, steps: int, time_steps: int) -> str:
    """What a training of so many steps comes to."""
    data, described = config.data, config.network
    train_split, held_back = load(
        data.name,
        "train",
        "validation",
        time_steps=data.time_steps,
        encoder=data.encoder,
        validation=HELD_BACK,
        augmentation=data.augmentation,
    )
    torch.manual_seed(0)
    network = build(
        described.notation,
        train_split.input_shape,
        data.time_steps,
        input_max=train_split.input_max,
        neuron=described.neuron,
        bias=described.bias,
    )
    optimizer = make_optimizer(network, config.training)
    learned_from = falling(endless(train_split, config.training.batch_size), optimizer, steps)
    with network.running(time_steps):
        learn_epoch(network, optimizer, islice(learned_from, steps - steps // 6), rate_loss)
        learned = learn_epoch(network, optimizer, learned_from, rate_loss)
    found = measured(network, held_back, rate_loss)
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
    changes: dict[str, Any] = dict(UNPRUNED)
    for setting in options.settings:
        name, _, value = setting.partition("=")
        changes[name] = yaml.safe_load(value)
    config = make_run_config(read_run_config(path), changes, str(path))
    with threads(1):
        found = chosen_by(config, options.steps, options.time_steps)
    print(" ".join(options.settings) or "the file's", found, sep=": ")


if __name__ == "__main__":
    main()
