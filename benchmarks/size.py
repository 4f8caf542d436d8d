"""How the size of what is deployed follows the synapses that are left.

The paper's network for MNIST, the kernels and synapses of its hidden layers pruned at random to each rate.
For each: synapses that are left (with kernels unrolled) and weights that are stored; bytes of model.h5; bytes
of the arrays that the Lava processes hold, compressed sparse rows of every synapse; and with --memory the
peak memory of the processes that run one sample on Lava, without this one (proportional set size).

    uv run python benchmarks/size.py [--json] [--memory] [--figure FILE.svg]
"""

import argparse
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

import deploy
import dpap

NOTATION, SHAPE, STEPS = "15C3-AP2-40C3-AP2-300FC-10FC", (1, 28, 28), 4
RATES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
MEGABYTE = 1e6

POLL_SECONDS = 0.02


def pruned(rate: float) -> deploy.Graph:
    """The compiled network with a share of each hidden layer's kernels and synapses gone."""
    torch.manual_seed(0)
    network = dpap.networks.build(NOTATION, SHAPE, STEPS)
    *hidden, output = network.synaptic_blocks()
    output.weight.data.abs_()
    for block in hidden:
        # Excitatory, so that no neuron is left out for being silent but by lack of synapses.
        block.weight.data.abs_()
        order = torch.randperm(block.mask.numel())
        block.mask.view(-1)[order[: round(rate * block.mask.numel())]] = 0
    return deploy.compile(network)


def array_bytes(graph: deploy.Graph) -> int:
    """Bytes of the matrices of synapses."""
    matrices = [graph.synapse_matrix(layer) for layer in graph.layers]
    return sum(part.nbytes for matrix in matrices for part in (matrix.data, matrix.indices, matrix.indptr))


def file_bytes(graph: deploy.Graph) -> int:
    """Bytes of model.h5."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        graph.save(path)
        return path.stat().st_size


def lava_bytes(graph: deploy.Graph) -> int:
    """Peak memory of the processes of a run of one sample on Lava."""
    peak, done = 0, threading.Event()

    def poll() -> None:
        nonlocal peak
        own = psutil.Process(os.getpid())
        while not done.wait(POLL_SECONDS):
            peak = max(peak, sum(_proportional(child) for child in own.children(recursive=True)))

    watching = threading.Thread(target=poll)
    watching.start()
    try:
        deploy.run(graph, np.ones((1, STEPS, *SHAPE), np.uint8), backend="lava")
    finally:
        done.set()
        watching.join()
    return peak


def _proportional(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        # It has ended meanwhile.
        return 0


def measure(rates: tuple[float, ...] = RATES, memory: bool = False) -> dict[str, Any]:
    """Sizes by pruning rate, and how many bytes a synapse takes by the line through them."""
    rows = []
    for rate in rates:
        graph = pruned(rate)
        row = {
            "pruning_rate": rate,
            "synapses": sum(graph.synapses().values()),
            "stored_weights": graph.stored_weights,
            "neurons": graph.neurons,
            "file_bytes": file_bytes(graph),
            "array_bytes": array_bytes(graph),
        }
        rows.append(row | ({"lava_bytes": lava_bytes(graph)} if memory else {}))
    lines = {"file_bytes": "stored_weights", "array_bytes": "synapses", "lava_bytes": "synapses"}
    return {
        "network": NOTATION,
        "time_steps": STEPS,
        "rows": rows,
        "lines": {name: _line(rows, over, name) for name, over in lines.items() if name in rows[0]},
    }


def _line(rows: list[dict[str, Any]], over: str, name: str) -> dict[str, Any]:
    """Least squares: ``bytes = slope * count + constant``, and the share of the variance that it explains."""
    count, size = (np.array([row[key] for row in rows], float) for key in (over, name))
    slope, constant = np.polyfit(count, size, 1)
    explained = np.corrcoef(count, size)[0, 1] ** 2
    return {
        "over": over,
        "bytes_each": float(slope),
        "constant_bytes": float(constant),
        "r_squared": float(explained),
    }


def draw(result: dict[str, Any], path: Path) -> None:
    """Each size over what it follows, with its line, both logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    # Letters stay letters, and the same numbers give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "size"})
    from matplotlib import pyplot

    titles = {
        "file_bytes": "model.h5",
        "array_bytes": "arrays of the Lava processes",
        "lava_bytes": "memory of the Lava processes",
    }
    lines = result["lines"]
    figure, axes = pyplot.subplots(1, len(lines), figsize=(4.2 * len(lines), 3.4), layout="constrained")
    for plot, (name, line) in zip(np.atleast_1d(axes), lines.items(), strict=True):
        over = line["over"]
        count = np.array([row[over] for row in result["rows"]], float)
        size = np.array([row[name] for row in result["rows"]], float)
        along = np.geomspace(count.min(), count.max(), 200)
        fitted = (line["bytes_each"] * along + line["constant_bytes"]) / MEGABYTE
        plot.loglog(along, fitted, color="#9aa5b1")
        plot.loglog(count, size / MEGABYTE, "o", color="#1f5fa8")
        for row, x, y in zip(result["rows"], count, size / MEGABYTE, strict=True):
            plot.annotate(
                f"{row['pruning_rate']:.0%}", (x, y), textcoords="offset points", xytext=(-8, 7), fontsize=8
            )
        plot.set_title(f"{titles[name]}: {line['bytes_each']:.3g} bytes each", fontsize=10)
        plot.set_xlabel(over.replace("_", " "))
        plot.set_ylabel("MB")
        plot.margins(0.12)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", action="store_true", help="also run one sample of each on Lava")
    parser.add_argument("--figure", type=Path, help="an SVG file to draw")
    arguments = parser.parse_args()
    result = measure(memory=arguments.memory)
    if arguments.figure:
        draw(result, arguments.figure)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{NOTATION}, pruned at random")
    for row in result["rows"]:
        memory = f", Lava {row['lava_bytes'] / MEGABYTE:.0f} MB" if "lava_bytes" in row else ""
        print(
            f"{row['pruning_rate']:4.0%}: {row['synapses']:>9,} synapses, {row['stored_weights']:>8,} stored"
            f" weights, model.h5 {row['file_bytes']:>9,} B, arrays {row['array_bytes']:>11,} B{memory}"
        )
    for name, line in result["lines"].items():
        print(
            f"{name}: {line['bytes_each']:.3g} bytes for each of the {line['over']}, and"
            f" {line['constant_bytes']:,.0f} (R² = {line['r_squared']:.5f})"
        )


if __name__ == "__main__":
    main()
