"""Peak memory of one training step of the paper's CIFAR-10 network at batch 1, in a process of its own.

uv run python benchmarks/memory.py [--json]
"""

import argparse
import json
import resource
import subprocess
import sys

import torch

import dpap
from dpap.training import rate_loss

LIMIT_MB = 2048
"""What is promised."""


def step() -> dict[str, str | int | float]:
    """Peak resident memory before and after a training step with AdamW, in MB."""
    network = dpap.networks.named("cifar10")
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.randint(0, network.input_max + 1, (1, *network.input_shape)).float()
    ready = _peak()
    loss = rate_loss(network(images), torch.zeros(1, dtype=torch.int64))
    loss.backward()
    optimizer.step()
    return {
        "network": network.notation,
        "time_steps": network.time_steps,
        "weights": sum(block.weight.numel() for block in network.synaptic_blocks()),
        "peak_mb_before": ready,
        "peak_mb": _peak(),
    }


def _peak() -> float:
    # Kilobytes on Linux.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure() -> dict[str, str | int | float]:
    """The same, in a child process."""
    child = subprocess.run(
        [sys.executable, __file__, "--child"], capture_output=True, text=True, check=True, timeout=600
    )
    return json.loads(child.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(step()))
        return
    result = measure()
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['network']}, T = {result['time_steps']}, batch 1, {result['weights']:,} weights")
    print(f"peak memory of a training step: {result['peak_mb']:.0f} MB of at most {LIMIT_MB}")
    print(f"(before its first pass: {result['peak_mb_before']:.0f} MB)")


if __name__ == "__main__":
    main()
