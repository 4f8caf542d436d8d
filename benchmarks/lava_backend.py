"""Speed of our Lava backend beside lava-dl's netx, on one network and the same samples, spikes compared.

Run ``DPAP_DATA=... python benchmarks/lava_backend.py [--model model.h5] [--json]``. The network is that of
``simulate.py``: trained on MNIST for a minute and pruned to a tenth of its synapses; ``--model`` takes a
compiled one in its place.

netx runs the exported ``.net`` as its users do: ``netx.hdf5.Network``, a RingBuffer sink on every layer, all
samples in one run; timed from the network's construction to the last spike read, without the import of Lava.
Ours is timed as a call of ``deploy.run``, the start of its process and the import of Lava included. The two
take turns, round by round; ratios are taken within a round, and their median is printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from simulate import KEPT, NOTATION, STEPS, ratio, trained

import deploy
from deploy.formats.netx import netx_blocks
from dpap.data import load
from dpap.encoders import Direct

REFERENCE = Path(__file__).resolve().parents[1] / "tests" / "deploy" / "formats" / "netx_reference.py"
"""Runs netx, for the tests of the format too."""


def images(count: int, steps: int) -> np.ndarray:
    """MNIST's first test images at 16 levels, each shown for all steps: ``(N, T, 1, 28, 28)``."""
    (split,) = load("mnist", "test", encoder=Direct(input_max=15), test_range=(0, count))
    shown = split.batch(np.arange(count))[:, None]
    return np.broadcast_to(shown, (count, steps, *shown.shape[2:])).astype(np.uint8)


def run_netx(graph: deploy.Graph, inputs: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """Seconds that netx takes, and its spikes by layer, ``(N, T, *kept_shape)``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        deploy.export(graph, folder / "model.net")
        np.save(folder / "model.npy", inputs.reshape(-1, *inputs.shape[2:]))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(REFERENCE), name], capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"netx failed: {done.stderr}")
        with np.load(folder / "model.npz") as found:
            spikes = {
                block.layer.name: found[str(index)].reshape(*inputs.shape[:2], *block.layer.kept_shape)
                for index, block in enumerate(_layers(graph), start=1)
            }
            return float(found["seconds"]), spikes


def _layers(graph: deploy.Graph) -> list:
    """Blocks with neurons, in the order of netx's layers."""
    return [block for block in netx_blocks(graph) if block.layer is not None]


def differing(theirs: dict[str, np.ndarray], ours: deploy.Recording) -> int:
    """Spikes in which two runs differ, over all layers."""
    return sum(int(np.count_nonzero(spikes != ours.kept[name])) for name, spikes in theirs.items())


def measure(graph: deploy.Graph, rounds: int, samples: int, recorded: int) -> dict:
    """Times of all variants, and the ratios, as medians over rounds.

    Parameters
    ----------
    graph : Graph
    rounds : int
    samples : int
        For ours and netx.
    recorded : int
        For all layers recorded and none but the output.
    """
    inputs = images(max(samples, recorded), graph.time_steps)
    few, many = inputs[:samples], inputs[:recorded]
    seconds: dict[str, list[float]] = {"ours": [], "netx": [], "record_all": [], "record_none": []}
    for _ in range(rounds):
        ours = deploy.run(graph, few, backend="lava")
        took, theirs = run_netx(graph, few)
        if mismatches := differing(theirs, ours):
            raise RuntimeError(f"{mismatches} spikes differ between netx and ours")
        seconds["ours"].append(ours.seconds)
        seconds["netx"].append(took)
        seconds["record_none"].append(deploy.run(graph, many, backend="lava", record=()).seconds)
        seconds["record_all"].append(deploy.run(graph, many, backend="lava").seconds)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    return {
        "ours_over_netx": ratio(seconds["netx"], seconds["ours"]),
        "record_all_over_none": ratio(seconds["record_all"], seconds["record_none"]),
        "spikes_compared_a_round": samples * graph.time_steps * sum(layer.size for layer in graph.layers),
        "images_per_second": {
            "netx": samples / medians["netx"],
            "ours": samples / medians["ours"],
            "ours_longer_run": recorded / medians["record_all"],
        },
        "seconds": seconds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a compiled network with inputs (1, 28, 28) from 0 to 15")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8, help="for ours beside netx, which is slow")
    parser.add_argument("--recorded-samples", type=int, default=64, help="for all layers recorded or none")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    graph = deploy.load(options.model) if options.model else deploy.compile(trained(KEPT))
    result = measure(graph, options.rounds, options.samples, options.recorded_samples)
    result["conditions"] = {
        "network": str(options.model) if options.model else NOTATION,
        "time_steps": graph.time_steps if options.model else STEPS,
        "stored_weights": graph.stored_weights,
        "samples": options.samples,
        "recorded_samples": options.recorded_samples,
        "rounds": options.rounds,
    }
    json.dump(result, sys.stdout, indent=None if options.json else 2)
    print()


if __name__ == "__main__":
    main()
