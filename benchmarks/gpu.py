"""Training and inference speed on a CUDA device: the paper's networks for MNIST and CIFAR-10.

A training step is forward, backward, optimiser step and DPAP's tracking; an inference is a forward pass
without gradients. Inputs are random levels that lie on the device; the network's integers are those that are
deployed. Steps are timed in groups between two meetings with the device, after a warm-up in which Triton
compiles; medians over the groups are printed. Where there is no device it says so, and that is no failure.

    uv run python benchmarks/gpu.py [--json]
"""

import argparse
import json
import statistics
import time

import torch

import dpap
from dpap.training import rate_loss

NETWORKS = ("mnist", "cifar10")
WARM_UP = 5


class Run:
    """One network on a device, with a random batch.

    Parameters
    ----------
    name : str
        Of :data:`NETWORKS`.
    batch, time_steps : int
        Samples a step, and steps T of an inference.
    device : torch.device
    """

    def __init__(self, name: str, batch: int, time_steps: int, device: torch.device):
        torch.manual_seed(0)
        network = dpap.networks.named(name, time_steps=time_steps)
        shape = network.input_shape
        self.network = network.to(device)
        self.pruner = dpap.DPAP(self.network)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3)
        self.inputs = (torch.rand(batch, *shape, device=device).pow(4) * network.input_max).round()
        self.labels = torch.randint(0, 10, (batch,), device=device)

    def train(self) -> None:
        """One training step."""
        self.network.train()
        loss = rate_loss(self.network(self.inputs), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.pruner.after_batch()

    @torch.no_grad()
    def infer(self) -> None:
        """One forward pass."""
        self.network.eval()
        self.network(self.inputs)

    def samples_per_second(self, step, groups: int, steps: int) -> float:
        """Median over groups of steps."""
        for _ in range(WARM_UP):
            step()
        rates = []
        for _ in range(groups):
            self._wait()
            started = time.perf_counter()
            for _ in range(steps):
                step()
            self._wait()
            rates.append(len(self.inputs) * steps / (time.perf_counter() - started))
        return statistics.median(rates)

    def _wait(self) -> None:
        if self.inputs.is_cuda:
            torch.cuda.synchronize(self.inputs.device)


def measure(name: str, options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Samples/s of one network, and the most memory that its tensors took, in MB."""
    run = Run(name, options.batch, options.time_steps, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    rates = {
        "training": run.samples_per_second(run.train, options.groups, options.steps),
        "inference": run.samples_per_second(run.infer, options.groups, options.steps),
    }
    if device.type == "cuda":
        rates["peak_mb"] = torch.cuda.max_memory_allocated(device) / 1e6
    return rates


def main() -> None:
    """Measure the networks and print a line for each, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--time-steps", type=int, default=8)
    parser.add_argument("--groups", type=int, default=9)
    parser.add_argument("--steps", type=int, default=10, help="of a group")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    present = torch.cuda.is_available()
    result = {
        "device": torch.cuda.get_device_name() if present else None,
        "samples_per_second": {},
        "conditions": {
            "networks": {name: dpap.networks.RECIPES[name].notation for name in options.networks},
            "time_steps": options.time_steps,
            "batch": options.batch,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
        },
    }
    if present:
        for name in options.networks:
            result["samples_per_second"][name] = measure(name, options, torch.device("cuda"))
    if options.json:
        print(json.dumps(result))
        return
    if not present:
        print("no CUDA device: torch sees none, so nothing was measured")
        return
    print(f"{result['device']}, T = {options.time_steps}, batch {options.batch}")
    for name, rates in result["samples_per_second"].items():
        print(
            f"{name:8} {rates['training']:9.0f} samples/s in training {rates['inference']:9.0f} in inference"
            f" {rates['peak_mb']:7.0f} MB"
        )


if __name__ == "__main__":
    main()
