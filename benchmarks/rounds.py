"""What the training benchmarks share: variants that take turns, round by round, and ratios within a round."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from dpap.training import rate_loss

HERE = Path(__file__).resolve().parent


def training_step(
    network: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor, pruner: Any = None
) -> Callable[[], None]:
    """A function that does one training step: forward, backward, AdamW, and what a pruner gathers."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        loss = rate_loss(network(inputs), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if pruner is not None:
            pruner.after_batch()

    return step


def in_turns(variants: Iterable[Any], rounds: int) -> Iterator[Any]:
    """Each variant once a round, in the opposite order every other round."""
    order = list(variants)
    for _ in range(rounds):
        yield from order
        order.reverse()


def seconds_by_round(
    steps: Mapping[Any, Callable[[], None]], rounds: int, repeats: Callable[[Any], int]
) -> dict[Any, list[float]]:
    """Seconds a step of each variant, by round, after two steps each that do not count.

    Every other round they run in the opposite order.

    Parameters
    ----------
    steps : mapping of variant to function
    rounds : int
    repeats : callable
        Steps of a variant in a round.
    """
    for step in steps.values():
        step()
        step()
    seconds: dict[Any, list[float]] = {variant: [] for variant in steps}
    for variant in in_turns(steps, rounds):
        started = time.perf_counter()
        for _ in range(repeats(variant)):
            steps[variant]()
        seconds[variant].append((time.perf_counter() - started) / repeats(variant))
    return seconds


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def resident() -> int:
    """Peak resident memory of this process in MB, from Linux's status file.

    ``getrusage`` would report the parent's peak where that was larger: it survives the start of a program.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) // 1024
