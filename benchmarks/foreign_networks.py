"""Networks that worst-case bounds flattened or refused: levels, accuracy and equal spikes.

Scales were once chosen so that no input could drive a current or a voltage out of Lava's 24 bits. Measured
are networks that this served badly: fine inputs, snnTorch's Leaky over pixels, integrate-and-fire over many
steps, stock SLAYER with the decays of lava-dl's N-MNIST tutorial, and a network that sinabs trained. All on
real data (``DPAP_DATA``); of MNIST's test part only indices below 5000.

    DPAP_DATA=... uv run python benchmarks/foreign_networks.py [fine snntorch if slayer sinabs] [--json]

With ``PYTHONPATH`` the folder of a worktree of an older version, ``fine``, ``if`` and ``slayer`` run on that.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch.nn.functional import cross_entropy

import deploy
import dpap
from dpap.data import load
from dpap.data.location import data_root
from dpap.encoders import Direct, Frames
from dpap.training import TrainingConfig, accuracy, train

CALIBRATION = 256
Row = dict[str, str]


def row(network: str, condition: str, made: dpap.networks.Network | None, result: str = "") -> Row:
    """A line of the table, with the distinct integer weights of each layer; none where it is refused."""
    blocks = [] if made is None else made.synaptic_blocks()
    levels = [len(block.integer_parameters().weight.unique()) for block in blocks]
    return {
        "network": network,
        "condition": condition,
        "levels": ", ".join(map(str, levels)),
        "result": result,
    }


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.1f} %"


def fine_inputs(options: argparse.Namespace) -> Iterator[Row]:
    """784 synapses of 4-bit pixels, neurons without a synaptic current and with a slow leak."""
    torch.manual_seed(0)
    neuron = dpap.LIF(current_decay=1.0, voltage_decay=0.1)
    network = dpap.networks.build("100FC-10FC", (784,), 20, input_max=15, neuron=neuron)
    yield row("100FC-10FC, inputs up to 15, T = 20", "as built", network)
    if not hasattr(dpap, "calibrate"):
        return
    (train_split,) = load("mnist", "train", encoder=Direct(input_max=15))
    dpap.calibrate(network, train_split.batch(np.arange(CALIBRATION)).reshape(CALIBRATION, 784))
    yield row("the same", f"calibrated on {CALIBRATION} images", network)


def snntorch_network(reset_mechanism: str) -> torch.nn.Sequential:
    """784-100-10 of snnTorch's Leaky, beta 0.9, threshold 1."""
    import snntorch

    def leaky(size: int, **options):
        return snntorch.Leaky(
            beta=torch.full((size,), 0.9),
            threshold=torch.ones(size),
            init_hidden=True,
            reset_mechanism=reset_mechanism,
            reset_delay=False,
            **options,
        )

    return torch.nn.Sequential(
        torch.nn.Linear(784, 100), leaky(100), torch.nn.Linear(100, 10), leaky(10, output=True)
    )


def snntorch_counts(network: torch.nn.Sequential, images: torch.Tensor, steps: int) -> torch.Tensor:
    """Output spikes of images that stay the same at every step."""
    from snntorch.utils import reset

    reset(network)
    return sum(network(images)[0] for _ in range(steps))


def snntorch_mlp(options: argparse.Namespace) -> Iterator[Row]:
    """Train in snnTorch, write NIR, read it with and without samples."""
    from snntorch.export_nir import export_to_nir

    steps, train_split, test_split = 20, *load("mnist", "train", "test", test_range=(0, 2000))
    images = torch.from_numpy(train_split.inputs[: options.images].reshape(-1, 784))
    labels = torch.from_numpy(train_split.labels[: options.images].astype(np.int64))
    test_images = torch.from_numpy(test_split.inputs.reshape(-1, 784))
    for mechanism in ("zero", "subtract"):
        torch.manual_seed(0)
        network = snntorch_network(mechanism)
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        for _ in range(options.epochs):
            for chosen in torch.randperm(len(labels)).split(100):
                loss = cross_entropy(snntorch_counts(network, images[chosen] / 255, steps), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        graph = export_to_nir(network, torch.zeros(1, 784), ignore_dims=[0])
        name = f"snnTorch 784-100-10, reset {'to zero' if mechanism == 'zero' else 'by subtraction'}"
        for largest, samples in ((255, CALIBRATION), (255, 0), (15, CALIBRATION), (15, 0)):

            def levelled(pixels: torch.Tensor, largest: int = largest) -> torch.Tensor:
                return (pixels.float() * (largest / 255)).round()

            with torch.no_grad():
                counts = snntorch_counts(network, levelled(test_images) / largest, steps)
            theirs = (counts.argmax(1).numpy() == test_split.labels).mean()
            ours = deploy.from_nir(
                graph,
                time_steps=steps,
                input_max=largest,
                input_divisor=largest,
                reset="zero" if mechanism == "zero" else None,
                calibration=levelled(images[:samples]).numpy() if samples else None,
            )
            try:
                with torch.no_grad():
                    spikes = ours(levelled(test_images)).sum(-1)
                here = percent((spikes.argmax(1).numpy() == test_split.labels).mean())
            except dpap.ActivationOverflow as error:
                here = str(error).split(";")[0]
            condition = f"inputs up to {largest}, " + (
                f"calibrated on {samples} images" if samples else "no samples"
            )
            yield row(name, condition, ours, f"{here}; snnTorch {percent(theirs)}")


def integrate_and_fire(options: argparse.Namespace) -> Iterator[Row]:
    """Neurons without leak, of whose voltages no bound holds over many steps."""
    notation, shape = "24C3-AP2-48C3-AP2-256FC-10FC", (1, 28, 28)
    neuron = dpap.LIF(current_decay=1.0, voltage_decay=0.0)
    torch.manual_seed(0)
    network = dpap.networks.build(notation, shape, 150, input_max=15, neuron=neuron)
    name = f"integrate-and-fire {notation}"
    try:
        yield row(name, "as built, T = 150", network)
    except dpap.NetworkError as error:
        yield row(name, "as built, T = 150", None, f"refused: {error}")
    torch.manual_seed(0)
    network = dpap.networks.build(notation, shape, 8, input_max=15, neuron=neuron)
    train_split, test_split = load(
        "mnist", "train", "test", encoder=Direct(input_max=15), test_range=(0, 1000)
    )
    train_split = train_split.part(np.arange(options.images))
    train(network, train_split, None, TrainingConfig(epochs=3, batch_size=50))
    network.eval()
    for steps in (8, 64, 100, 150):
        network.time_steps = steps
        condition = f"trained at T = 8, run at T = {steps}"
        try:
            yield row("the same", condition, network, percent(accuracy(network, test_split)))
        except dpap.NetworkError as error:
            yield row("the same", condition, None, f"refused: {error}")


class StockMLP(torch.nn.Module):
    """Dense blocks as in lava-dl's N-MNIST tutorial."""

    def __init__(self, hidden: int):
        from lava.lib.dl.slayer.block import cuba

        super().__init__()
        neuron = {
            "threshold": 1.25,
            "current_decay": 0.25,
            "voltage_decay": 0.03,
            "tau_grad": 0.03,
            "scale_grad": 3,
            "requires_grad": True,
        }
        sizes = [2312, hidden, hidden, 10]
        self.blocks = torch.nn.ModuleList(
            cuba.Dense(dict(neuron), *pair, weight_norm=True) for pair in pairwise(sizes)
        )

    def forward(self, spikes: torch.Tensor) -> torch.Tensor:
        """Spikes of the last block."""
        for block in self.blocks:
            spikes = block(spikes)
        return spikes


@torch.no_grad()
def voltage_share(network: StockMLP, inputs: torch.Tensor) -> float:
    """The largest voltage before a reset, as a share of 24 bits."""
    largest = 0.0

    def look(neuron, given, _):
        nonlocal largest
        _, voltage = neuron.dynamics(given[0])
        largest = max(largest, voltage.abs().max().item() * neuron.w_scale / (1 << 17))

    hooks = [block.neuron.register_forward_hook(look) for block in network.blocks]
    network(inputs)
    for hook in hooks:
        hook.remove()
    return largest


def stock_slayer(options: argparse.Namespace) -> Iterator[Row]:
    """Train in stock SLAYER on N-MNIST's events, or draw large weights; convert, compile, compare spikes."""
    from lava.lib.dl import slayer

    torch.manual_seed(0)
    network, split = StockMLP(options.hidden), nmnist("train", 30)
    inputs = torch.from_numpy(split.batch(np.arange(len(split)))).float().flatten(1, 3)
    labels = torch.from_numpy(split.labels.astype(np.int64))
    error = slayer.loss.SpikeRate(true_rate=0.2, false_rate=0.03, reduction="sum")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(options.slayer_epochs):
        for chosen in torch.randperm(len(labels)).split(32):
            loss = error(network(inputs[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    yield from compared(network.eval(), f"stock SLAYER 2312-{options.hidden}-{options.hidden}-10, trained")
    torch.manual_seed(0)
    network = StockMLP(512)
    with torch.no_grad():
        for block in network.blocks:
            block.synapse.weight_v += 0.3 * block.synapse.weight_v.abs()
            block.synapse.weight_g *= 3
    yield from compared(network.eval(), "stock SLAYER 2312-512-512-10, large random weights")


def nmnist(part: str, steps: int) -> dpap.data.Split:
    """N-MNIST in binary frames."""
    (split,) = load("nmnist", part, time_steps=steps, encoder=Frames(input_max=1), subset=True)
    return split


def compared(network: StockMLP, name: str) -> Iterator[Row]:
    """Spikes of a stock network and of the compiled graph, on 16 samples over several durations."""
    for steps in (30, 100, 300):
        split = nmnist("test", steps)
        inputs = split.over_time(steps).reshape(len(split), steps, -1)[:16]
        try:
            ours = dpap.from_slayer(network, (2312,), steps)
            graph = deploy.compile(ours)
        except (dpap.NetworkError, deploy.CompileError) as error:
            yield row(name, f"T = {steps}", None, f"refused: {error}")
            continue
        # Older versions compare with the network that was converted alone.
        reference = network if hasattr(dpap, "calibrate") else ours
        certificate = deploy.verify(graph, reference, inputs, backends=("fast",))
        share = voltage_share(network, torch.from_numpy(inputs).float().movedim(1, -1))
        silent = [layer for layer, found in certificate.backends["fast"].items() if not found.spikes]
        result = (
            f"{certificate.mismatches} of {certificate.compared:,} spikes differ; voltages reach"
            f" {percent(share)} of their range" + (f"; silent: {', '.join(silent)}" if silent else "")
        )
        yield row(name, f"T = {steps}", ours, result)


def sinabs_network(options: argparse.Namespace) -> Iterator[Row]:
    """The convolutional network of the NIR paper, as sinabs wrote it."""
    steps, path = 300, data_root(None) / "models" / "nir" / "cnn_sinabs.nir"
    network = deploy.from_nir(
        path, time_steps=steps, dt=1e-3, input_max=1, input_shape=(2, 34, 34), reset="zero"
    )
    (split,) = load("nmnist", "test", time_steps=steps, encoder=Frames(input_max=1), subset=True)
    graph = deploy.compile(network)
    right = deploy.run(graph, split.over_time(steps)).accuracy(split.labels)
    lava = deploy.verify(graph, network, split.over_time(steps, 2), backends=("lava",))
    result = f"{percent(right)} of {len(split)}; {lava.mismatches} of {lava.compared:,} spikes differ on Lava"
    yield row("cnn_sinabs.nir, N-MNIST", f"T = {steps}, no samples", network, result)


CASES = {
    "fine": fine_inputs,
    "snntorch": snntorch_mlp,
    "if": integrate_and_fire,
    "slayer": stock_slayer,
    "sinabs": sinabs_network,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help=f"any of {', '.join(CASES)}; by default all")
    parser.add_argument("--images", type=int, default=3000, help="MNIST images to train on")
    parser.add_argument("--epochs", type=int, default=8, help="of snnTorch's network")
    parser.add_argument("--slayer-epochs", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=128, help="neurons of stock SLAYER's layers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error(f"unknown case {sorted(unknown)[0]!r}; there are {', '.join(CASES)}")
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    rows = []
    for name in options.cases or CASES:
        for found in CASES[name](options):
            rows.append(found)
            if not options.json:
                if len(rows) == 1:
                    print(f"| {' | '.join(found)} |\n|{'---|' * len(found)}")
                print(f"| {' | '.join(found.values())} |", flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
