"""Speed of the fast simulator beside Lava's and a dense float loop, on real images and a trained network.

Run ``DPAP_DATA=... python benchmarks/simulate.py [--json]``. One network is trained for a minute; its
synapses are pruned to a tenth by magnitude on the way, so that it fires as a trained network does. The
variants take turns, round by round; every ratio is taken within a round, and their median is printed.
"""

import argparse
import json
import statistics
import sys
import time

import numpy as np
import torch
from rounds import ratio
from torch.nn import functional

import deploy
import dpap
from deploy.backends import fast
from dpap.data import load
from dpap.encoders import Direct
from dpap.runtime.threads import threads
from dpap.training import rate_loss

NOTATION, STEPS, BATCH, LEARNING_RATE = "15C3-AP2-40C3-AP2-300FC-10FC", 20, 100, 2e-3
TRAINING_STEPS, KEPT, KEPT_KERNELS = 150, 0.1, 0.5
FLOAT_BATCH, LAVA_SAMPLES = 100, 6


def trained(kept: float, seed: int = 0) -> dpap.networks.Network:
    """A network trained on MNIST, with a share of its synapses."""
    (split,) = load("mnist", "train", encoder=Direct(input_max=15))
    torch.manual_seed(seed)
    network = dpap.networks.build(NOTATION, (1, 28, 28), STEPS, input_max=15)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    order = np.random.default_rng(seed)
    for step in range(TRAINING_STEPS):
        if step == TRAINING_STEPS // 2 and kept < 1:
            prune(network, kept)
        chosen = order.integers(0, len(split), BATCH)
        output = network(torch.from_numpy(split.batch(chosen)))
        optimizer.zero_grad()
        rate_loss(output, torch.from_numpy(split.labels[chosen])).backward()
        optimizer.step()
    return network.eval()


@torch.no_grad()
def prune(network: dpap.networks.Network, kept: float) -> None:
    """Keep the largest: half of the kernels, and so many dense synapses that ``kept`` of all are left."""
    blocks = network.synaptic_blocks()
    total = sum(block.weight.numel() for block in blocks)
    kernels = sum(block.weight.numel() for block in blocks if block.kind == "conv")
    dense_share = (kept * total - KEPT_KERNELS * kernels) / (total - kernels)
    for block in blocks:
        convolution = block.kind == "conv"
        size = block.weight.abs().flatten(2).sum(2) if convolution else block.weight.abs()
        lost = int((1 - (KEPT_KERNELS if convolution else dense_share)) * size.numel())
        block.mask.copy_((size >= size.flatten().sort().values[lost]).view(block.mask.shape))


class FloatLoop:
    """The same network as a reader would write it in float: a loop over time, masks multiplied in once."""

    def __init__(self, network: dpap.networks.Network):
        self.weights = [block.masked_weight.detach() for block in network.synaptic_blocks()]
        self.scale = network.input_max

    @torch.no_grad()
    def __call__(self, images: np.ndarray) -> torch.Tensor:
        """Spike counts ``(N, classes)`` of images ``(N, C, H, W)``."""
        return torch.cat(
            [self._run(images[start : start + FLOAT_BATCH]) for start in range(0, len(images), FLOAT_BATCH)]
        )

    def _run(self, images: np.ndarray) -> torch.Tensor:
        first, second, hidden, last = self.weights
        inputs = torch.from_numpy(images).float() / self.scale
        voltages, spikes, counts = [0.0] * 4, [0.0] * 4, 0.0
        for _ in range(STEPS):
            sums = functional.conv2d(inputs, first, padding=1)
            for layer in range(4):
                voltages[layer] = 0.2 * voltages[layer] * (1 - spikes[layer]) + sums
                spikes[layer] = (voltages[layer] > 0.5).float()
                if layer == 0:
                    sums = functional.conv2d(functional.avg_pool2d(spikes[0], 2), second, padding=1)
                elif layer == 1:
                    sums = functional.linear(functional.avg_pool2d(spikes[1], 2).flatten(1), hidden)
                elif layer == 2:
                    sums = functional.linear(spikes[2], last)
            counts = counts + spikes[3]
        return counts


def seconds(function, *arguments, **options) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started


def measure(network: dpap.networks.Network, images: np.ndarray, rounds: int, lava: bool) -> dict:
    """Images a second of every variant, and the ratios, as medians over rounds."""
    graph, loop = deploy.compile(network), FloatLoop(network)
    inputs = np.broadcast_to(images[:, None], (len(images), STEPS, *images.shape[1:])).astype(np.uint8)
    fast.run(graph, inputs[:64])
    times: dict[str, list[float]] = {"fast": [], "fast_unrecorded": [], "float_loop": [], "lava": []}
    for _ in range(rounds):
        times["fast"].append(seconds(fast.run, graph, inputs))
        times["fast_unrecorded"].append(seconds(fast.run, graph, inputs, record=()))
        times["float_loop"].append(seconds(loop, images))
        if lava:
            run = deploy.run(graph, inputs[:LAVA_SAMPLES], backend="lava")
            times["lava"].append(run.seconds * len(images) / LAVA_SAMPLES)
    recording = deploy.run(graph, inputs)
    result = {
        "pruned": 1 - graph.stored_weights / deploy.compile(unmasked(network)).stored_weights,
        "firing_rates": {name: float(spikes.mean()) for name, spikes in recording.kept.items()},
        "images_per_second": {
            name: len(images) / statistics.median(found) for name, found in times.items() if found
        },
        "fast_over_float_loop": ratio(times["float_loop"], times["fast"]),
        "recorded_over_unrecorded": ratio(times["fast"], times["fast_unrecorded"]),
    }
    if lava:
        result["fast_over_lava"] = ratio(times["lava"], times["fast"])
    return result


def unmasked(network: dpap.networks.Network) -> dpap.networks.Network:
    """A network of the same shape with all its synapses."""
    return dpap.networks.build(NOTATION, network.input_shape, STEPS, input_max=network.input_max)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-lava", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with threads(options.threads):
        (split,) = load("mnist", "test", encoder=Direct(input_max=15), test_range=(0, options.images))
        images = split.batch(np.arange(options.images))
        pruned = measure(trained(KEPT), images, options.rounds, lava=not options.no_lava)
        whole = measure(trained(1.0), images, options.rounds, lava=False)
    result = {
        "fast_over_lava": pruned.get("fast_over_lava"),
        "fast_over_float_loop": pruned["fast_over_float_loop"],
        "fast_over_float_loop_unpruned": whole["fast_over_float_loop"],
        "recorded_over_unrecorded": pruned["recorded_over_unrecorded"],
        "pruned": pruned,
        "unpruned": whole,
        "conditions": {
            "network": NOTATION,
            "time_steps": STEPS,
            "images": options.images,
            "threads": options.threads,
            "rounds": options.rounds,
            "torch": torch.__version__,
        },
    }
    json.dump(result, sys.stdout, indent=None if options.json else 2)
    print()


if __name__ == "__main__":
    main()
