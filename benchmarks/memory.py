"""Peak memory of the paper's CIFAR-10 network.

Of one training step at batch 1, and of one sample in the fast simulator, each in a process of its own.

uv run python benchmarks/memory.py [--json]
"""

import argparse
import json
import subprocess
import sys

import numpy as np
import torch
from rounds import resident

import deploy
import dpap
from dpap.training import rate_loss

LIMIT_MB = 2048
"""What is promised."""


def step() -> dict[str, str | int | float]:
    """Peak resident memory before and after a training step with AdamW, in MB."""
    network = dpap.networks.named("cifar10")
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.randint(0, network.input_max + 1, (1, *network.input_shape)).float()
    ready = resident()
    loss = rate_loss(network(images), torch.zeros(1, dtype=torch.int64))
    loss.backward()
    optimizer.step()
    return {
        "network": network.notation,
        "time_steps": network.time_steps,
        "weights": sum(block.weight.numel() for block in network.synaptic_blocks()),
        "peak_mb_before": ready,
        "peak_mb": resident(),
    }


def simulation() -> dict[str, int | float]:
    """Peak resident memory, in MB, of building, compiling and running one sample, every layer recorded."""
    network = dpap.networks.named("cifar10").eval()
    graph = deploy.compile(network)
    ready = resident()
    shape = (1, graph.time_steps, *graph.input_shape)
    inputs = np.random.default_rng(0).integers(0, graph.input_max + 1, shape)
    recording = deploy.run(graph, inputs)
    return {
        "neurons": graph.neurons,
        "stored_weights": graph.stored_weights,
        "spikes": sum(int(spikes.sum()) for spikes in recording.kept.values()),
        "peak_mb_before": ready,
        "peak_mb": resident(),
    }


def measure(what: str) -> dict[str, str | int | float]:
    """One of them, in a child process."""
    child = subprocess.run(
        [sys.executable, __file__, "--child", what], capture_output=True, text=True, check=True, timeout=600
    )
    return json.loads(child.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=["step", "simulation"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps({"step": step, "simulation": simulation}[arguments.child]()))
        return
    result = measure("step")
    result["simulation"] = measure("simulation")
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['network']}, T = {result['time_steps']}, batch 1, {result['weights']:,} weights")
    print(f"peak memory of a training step: {result['peak_mb']:.0f} MB of at most {LIMIT_MB}")
    print(f"(before its first pass: {result['peak_mb_before']:.0f} MB)")
    simulated = result["simulation"]
    print(f"one sample in the fast simulator: {simulated['peak_mb']:.0f} MB of at most {LIMIT_MB}")
    print(f"(compiled, before its run: {simulated['peak_mb_before']:.0f} MB)")


if __name__ == "__main__":
    main()
