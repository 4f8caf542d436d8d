"""The share of random networks that are refused, by reason, and what rounding leaves of the others.

Random networks of spiking neurons over all kinds of layers, as in ``tests/random_networks.py`` but drawn
evenly: all decays, inputs up to 255, weights of 1 to 40 times what ``build`` draws, BN, biases, pruning. Each
is built and compiled as it is, or after calibration on random inputs (``--calibration``), and run on random
inputs over the whole range. Reasons are messages with layers' names and numbers left out.

    uv run python benchmarks/refusals.py [--networks 2000] [--calibration 16] [--json]

On an older version of the packages, in a worktree of it:

    git worktree add ../older fa48b10 && PYTHONPATH=../older uv run python benchmarks/refusals.py
"""

import argparse
import json
import random
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent

sys.path.append(str(HERE.parent / "tests"))

import torch  # noqa: E402 - the path is set first
from factories import firing_network, random_inputs, with_random_states  # noqa: E402

import deploy  # noqa: E402
import dpap  # noqa: E402

SHAPE = (2, 9, 8)
LONGEST = 32
FEW = 16
SAMPLES = 4


def convolution(draw: random.Random, channels: int) -> tuple[str, int]:
    """The token of a convolution, and its channels."""
    groups = draw.choice([1, 1, 2])
    outputs = groups * draw.randint(1, 3)
    kernel = draw.choice(["1", "3", "3", "5", "3x1"])
    options = f"g{groups}" if channels % groups == 0 else ""
    outputs = outputs if options else 3
    if draw.random() < 0.5:
        options += f"s{draw.randint(1, 2)}p{draw.randint(1, 2)}"
    if kernel != "5":
        options += f"d{draw.randint(1, 2)}"
    return f"{outputs}C{kernel}{options}" + draw.choice(["", "", "-BN"]), outputs


def notation(draw: random.Random) -> str:
    """A network's notation: every kind of layer, in random order."""
    tokens, channels = [], SHAPE[0]
    for _ in range(draw.randint(0, 2)):
        token, channels = convolution(draw, channels)
        tokens.append(token)
        tokens.extend(draw.choice([[], ["Delay3"], ["DP0.5"]]))
        after = draw.choice(["", "AP2", "MP2", "SP2", "MP3s1p1", "residual"])
        if after:
            tokens.append(f"Res({channels}C3-{channels}C3)" if after == "residual" else after)
    for _ in range(draw.randint(0, 2)):
        neurons = draw.randint(1, 12)
        kind = draw.choice(["FC", "RFC", "FC-BN", "FC-Delay2", "residual"])
        tokens.append(f"{neurons}FC-Res({neurons}RFC)" if kind == "residual" else f"{neurons}{kind}")
    return "-".join([*tokens, "4FC"])


def network(seed: int) -> dpap.networks.Network:
    """The random network of a seed."""
    draw = random.Random(seed)
    while True:
        neuron = dpap.LIF(
            threshold=draw.choice([0.05, 0.5, 3.0]),
            current_decay=draw.choice([1.0, 0.7, 0.25, 0.0]),
            voltage_decay=draw.choice([0.8, 1.0, 0.1, 0.0]),
        )
        options = {"input_max": draw.choice([1, 1, 3, 255]), "gain": draw.choice([1.0, 4.0, 40.0])}
        tokens, steps, bias = notation(draw), draw.randint(1, LONGEST), draw.random() < 0.5
        try:
            made = firing_network(tokens, SHAPE, steps, neuron=neuron, bias=bias, seed=seed, **options)
            break
        except dpap.NetworkError as error:
            # A window that does not fit: draw another.
            if "larger than its input" not in str(error):
                raise
    with_random_states(made, seed)
    generator = torch.Generator().manual_seed(seed)
    pruned = draw.choice([0.0, 0.3, 0.9])
    for block in made.synaptic_blocks():
        if block.prunable:
            block.mask[torch.rand(block.mask.shape, generator=generator) < pruned] = 0
            block.mask[torch.rand(len(block.mask), generator=generator) < pruned / 2] = 0
        if block.bias is not None:
            block.bias.data *= draw.choice([0.0, 1.0, 10.0])
    chosen = draw.choice(made.synaptic_blocks())
    if chosen.prunable:
        chosen.weight.data *= draw.choice([1.0, 1.0, 0.0, -1.0])
    return made


def reason(error: Exception, names: set[str]) -> str:
    """The first clause of a message without names and numbers."""
    text = re.sub(rf"\b({'|'.join(sorted(names, key=len, reverse=True))})\b", "LAYER", str(error))
    text = re.sub(r"-?\d[\d.,]*(e[+-]?\d+)?", "N", text)
    return f"{type(error).__name__}: {text.split('; ')[0][:160]}"


@torch.no_grad()
def counted_layers(made: dpap.networks.Network) -> Counter:
    """Layers with weights, those whose weights all vanish, and those that keep few levels of many."""
    counts = Counter()
    for block in made.synaptic_blocks():
        real, _ = block.real_parameters()
        if not real.any():
            continue
        counts["layers"] += 1
        whole = block.integer_parameters().weight
        vanish = not whole.any()
        counts["layers whose weights all vanish"] += vanish
        if len(real.unique()) >= FEW:
            counts["layers of at least 16 distinct weights"] += 1
            counts["layers with fewer than 16 levels"] += len(whole.unique()) < FEW
    return counts


def outcomes(seeds: range, calibration: int) -> tuple[Counter, Counter]:
    """How many networks ended how, and the layers of those that compile."""
    ends, layers = Counter(), Counter()
    for seed in seeds:
        made = network(seed)
        try:
            if calibration:
                dpap.calibrate(made, random_inputs(made, calibration, seed + 1))
            graph = deploy.compile(made)
        except (dpap.NetworkError, deploy.CompileError, deploy.ActivationOverflow) as error:
            ends["refused"] += 1
            ends[reason(error, set(made.layers))] += 1
            continue
        ends["compiled"] += 1
        layers.update(counted_layers(made))
        try:
            deploy.run(graph, random_inputs(made, SAMPLES, seed))
        except deploy.ActivationOverflow:
            ends["compiled, but a current left its range on random inputs"] += 1
    return ends, layers


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--calibration", type=int, default=0, help="random samples to calibrate on")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.networks)
    ends, layers = outcomes(seeds, arguments.calibration)
    if arguments.json:
        print(json.dumps({"networks": len(seeds), "ends": dict(ends), "layers": dict(layers)}, indent=2))
        return
    print(f"{len(seeds)} networks, library of {Path(dpap.__file__).parent.parent.name}")
    for name, count in [*ends.most_common(), *layers.most_common()]:
        print(f"{count:6}  {name}")


if __name__ == "__main__":
    main()
