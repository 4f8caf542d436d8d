"""What it brings that ``dpap train`` keeps freed memory (:mod:`dpap.runtime.allocator`), in one run.

Fresh processes take turns, in the opposite order every other round, each of which takes training steps of
the paper's network for MNIST with DPAP's tracking, T = 8, one thread. The ratio is that of two processes of
a round.

    uv run python benchmarks/allocator.py [--json]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch
from rounds import HERE, in_turns, ratio, resident, training_step

import dpap
from dpap.runtime.allocator import keep_freed_memory
from dpap.runtime.threads import threads

VARIANTS = ("returned", "kept")
BATCH = 64
FIRST_STEPS = 5
"""Steps that do not count."""


def child(variant: str, steps: int) -> dict[str, float]:
    """Seconds a step, and peak MB, of this process."""
    if variant == "kept" and not keep_freed_memory():
        raise SystemExit("the C library is not glibc; there is nothing to compare")
    network = dpap.networks.named("mnist")
    inputs = torch.randint(0, network.input_max + 1, (BATCH, *network.input_shape)).float()
    step = training_step(network, inputs, torch.randint(0, 10, (BATCH,)), dpap.DPAP(network))
    with threads(1):
        for _ in range(FIRST_STEPS):
            step()
        started = time.perf_counter()
        for _ in range(steps):
            step()
        return {"seconds": (time.perf_counter() - started) / steps, "peak_mb": resident()}


def measure(rounds: int, steps: int) -> dict[str, list[dict[str, float]]]:
    """What each process found, by variant and round."""
    found = {variant: [] for variant in VARIANTS}
    for variant in in_turns(VARIANTS, rounds):
        command = [sys.executable, str(HERE / "allocator.py"), "--child", variant, "--steps", str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[variant].append(json.loads(done.stdout))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=60, help="of a process")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.steps)))
        return
    found = measure(options.rounds, options.steps)
    seconds = {variant: [one["seconds"] for one in rounds] for variant, rounds in found.items()}
    result = {
        "kept_over_returned": ratio(seconds["kept"], seconds["returned"]),
        "milliseconds": {v: 1000 * statistics.median(each) for v, each in seconds.items()},
        "peak_mb": {v: max(one["peak_mb"] for one in rounds) for v, rounds in found.items()},
        "rounds": found,
    }
    if options.json:
        print(json.dumps(result))
        return
    for variant in VARIANTS:
        print(f"{variant:9} {result['milliseconds'][variant]:6.1f} ms {result['peak_mb'][variant]:5.0f} MB")
    print(f"kept over returned: {result['kept_over_returned']:.3f}, median of {options.rounds} rounds")


if __name__ == "__main__":
    main()
