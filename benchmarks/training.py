"""Training speed on the CPU: stock SLAYER, a plain float loop, and this package, in one run.

Network ``15C3-AP2-40C3-AP2-300FC-10FC`` on 28 x 28, T = 8, batch 50, two threads: forward, backward and
optimiser step, with the same analog images (quantised to 0..255) in every variant:

(a) stock ``lava.lib.dl.slayer`` CUBA blocks,
(b) a plain float LIF loop over time in torch, as a reader would write it from the paper's equations,
(c) this package, quantised to the integers that are deployed,
(d) the same with DPAP's tracking.

The variants take turns, round after round, so that a change of the machine's speed meets all alike; ratios
are taken within a round and their median is printed.

    uv run python benchmarks/training.py [--json]
"""

import argparse
import contextlib
import json
import platform
import statistics
import subprocess
import sys

import torch
from rounds import HERE, ratio, seconds_by_round, training_step

import dpap

NOTATION, SHAPE, STEPS, BATCH, INPUT_MAX = "15C3-AP2-40C3-AP2-300FC-10FC", (1, 28, 28), 8, 50, 255
THREADS = 2


class FloatLoop(torch.nn.Module):
    """The paper's network as its equations read (eq. 1, 2 and 4), in float, one step at a time."""

    class Spike(torch.autograd.Function):
        """Step function with the rectangular surrogate."""

        @staticmethod
        def forward(ctx, u):
            """Fire at or above the threshold of 0.5."""
            ctx.save_for_backward(u)
            return (u >= 0.5).float()

        @staticmethod
        def backward(ctx, grad):
            """Pass the gradient where the potential is within 0.5 of the threshold."""
            (u,) = ctx.saved_tensors
            return grad * ((u - 0.5).abs() < 0.5).float()

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 15, 3, padding=1, bias=False)
        self.conv2 = torch.nn.Conv2d(15, 40, 3, padding=1, bias=False)
        self.fc1 = torch.nn.Linear(40 * 7 * 7, 300, bias=False)
        self.fc2 = torch.nn.Linear(300, 10, bias=False)
        self.pool = torch.nn.AvgPool2d(2)

    def forward(self, images):
        """Output spikes, ``(N, classes, T)``."""
        u = [0.0] * 4
        o = [0.0] * 4
        outputs = []

        def neuron(layer, current):
            u[layer] = 0.2 * u[layer] * (1 - o[layer]) + current
            o[layer] = self.Spike.apply(u[layer])
            return o[layer]

        for _ in range(STEPS):
            x = self.pool(neuron(0, self.conv1(images)))
            x = self.pool(neuron(1, self.conv2(x)))
            x = neuron(2, self.fc1(x.flatten(1)))
            outputs.append(neuron(3, self.fc2(x)))
        return torch.stack(outputs, 2)


def stock_slayer():
    """The same network of stock lava-dl blocks, whose pools are blocks with neurons: there are no others."""
    from lava.lib.dl import slayer

    neuron = {"threshold": 0.5, "current_decay": 1.0, "voltage_decay": 0.8, "requires_grad": False}

    class Constant(torch.nn.Module):
        def forward(self, images):
            return images.unsqueeze(-1).repeat(1, 1, 1, 1, STEPS)

    block = slayer.block.cuba
    return torch.nn.Sequential(
        Constant(),
        block.Conv(neuron, 1, 15, 3, padding=1, delay_shift=False),
        block.Pool(neuron, 2, delay_shift=False),
        block.Conv(neuron, 15, 40, 3, padding=1, delay_shift=False),
        block.Pool(neuron, 2, delay_shift=False),
        block.Flatten(),
        block.Dense(neuron, 40 * 7 * 7, 300, delay_shift=False),
        block.Dense(neuron, 300, 10, delay_shift=False),
    )


def make(variant: str):
    """A function that does one training step of a variant."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    levels = (torch.rand(BATCH, *SHAPE).pow(4) * INPUT_MAX).round()
    labels = torch.randint(0, 10, (BATCH,))
    pruner = None
    if variant == "slayer":
        network, inputs = stock_slayer(), levels / INPUT_MAX
    elif variant == "float_loop":
        network, inputs = FloatLoop(), levels / INPUT_MAX
    else:
        network, inputs = dpap.networks.build(NOTATION, SHAPE, STEPS, input_max=INPUT_MAX), levels
        pruner = dpap.DPAP(network) if variant == "ours_dpap" else None
    return training_step(network, inputs, labels, pruner)


VARIANTS = ("slayer", "float_loop", "ours", "ours_dpap")


def measure(rounds: int, repeats: int) -> dict[str, list[float]]:
    """Seconds a step of each variant, by round."""
    steps = {variant: make(variant) for variant in VARIANTS}
    return seconds_by_round(steps, rounds, lambda variant: 1 if variant == "slayer" else repeats)


def peak_memory(variant: str) -> int:
    """Peak resident MB of a fresh process that trains one variant."""
    script = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import training, rounds;"
        f"step = training.make({variant!r}); [step() for _ in range(5)]; print(rounds.resident())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # lava-dl prints when it is imported; standard output is for the result.
    with contextlib.redirect_stdout(sys.stderr):
        seconds = measure(options.rounds, options.repeats)
    speed = {variant: BATCH / statistics.median(times) for variant, times in seconds.items()}
    memory = {variant: peak_memory(variant) for variant in ("float_loop", "ours", "ours_dpap")}
    result = {
        "ours_over_slayer": ratio(seconds["slayer"], seconds["ours"]),
        "ours_over_float_loop": ratio(seconds["float_loop"], seconds["ours"]),
        "tracking_overhead": ratio(seconds["ours_dpap"], seconds["ours"]) - 1,
        "samples_per_second": speed,
        "peak_memory_mb": memory,
        "conditions": {
            "network": NOTATION,
            "input": SHAPE,
            "time_steps": STEPS,
            "batch": BATCH,
            "threads": THREADS,
            "rounds": options.rounds,
            "torch": torch.__version__,
            "machine": platform.machine(),
        },
    }
    if options.json:
        print(json.dumps(result))
        return
    for variant, rate in speed.items():
        print(f"{variant:12} {rate:8.0f} samples/s  {memory.get(variant, '')} MB")
    for name in ("ours_over_slayer", "ours_over_float_loop", "tracking_overhead"):
        print(f"{name}: {result[name]:.3g}")


if __name__ == "__main__":
    main()
