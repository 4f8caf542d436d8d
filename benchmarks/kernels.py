"""Time of the simulator's kernels against synaptic operations, beside bare loops of the same machine.

Run ``python benchmarks/kernels.py [--json] [--figure kernels.html] [--save]``. Two layers of the paper's
MNIST network, its second convolution and its first dense layer, with random weights and random binary
activity: synapses pruned 0 to 99 %, firing rates 0.5 to 50 %. Every kernel runs each on one thread, the least
processor time of the rounds counts, and what the cost model chooses, once it has measured this machine, is
set beside the fastest. SynOps are arriving spikes times synapses that are not pruned. ``--save`` keeps the
model for later runs.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy import sparse

import deploy
import dpap
from deploy.ir import Geometry, Graph, MatrixConnection
from deploy.ir.encoding import encode_convolution
from deploy.simulator import KERNELS, KernelChoice, KernelCosts, calibrate, save_costs
from deploy.simulator import kernels as lanes_kernels
from deploy.simulator.calibration import planned
from deploy.simulator.event_driven import _fire
from deploy.simulator.plan import LayerPlan

STEPS, LANES = 20, 64
PRUNED, FIRING = (0.0, 0.5, 0.9, 0.99), (0.005, 0.05, 0.2, 0.5)
LATENCY_STEPS, FIRST_SAMPLES = 400, 64
NOTATION = "15C3-AP2-40C3-AP2-300FC-10FC"
COLOURS = {"dense": "#4269d0", "sparse": "#efb118", "event": "#3ca951", "chosen": "#000000"}


def layers(pruned: float, generator: np.random.Generator) -> dict[str, LayerPlan]:
    """The two layers, with a share of their synapses (of the convolution's kernels) gone."""
    dense = _weights((300, 1960), generator)
    dense[generator.random(dense.shape) < pruned] = 0
    kernels = _weights((40, 15, 3, 3), generator)
    kernels[generator.random(kernels.shape[:2]) < pruned] = 0
    geometry = Geometry((3, 3), padding=(1, 1))
    return {
        "dense layer 1960 to 300": planned((300,), (1960,), MatrixConnection(sparse.csr_matrix(dense))),
        "convolution 15 to 40, 3 x 3, 14 x 14": planned(
            (40, 14, 14), (15, 14, 14), encode_convolution(kernels, geometry, 1, 15)
        ),
    }


def _weights(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    return (2 * generator.integers(1, 3, shape) * generator.choice([-1, 1], shape)).astype(np.int16)


def seconds(function, *arguments, rounds: int) -> float:
    """Least processor time of a call, after one that does not count."""
    function(*arguments)
    found = []
    for _ in range(rounds):
        started = time.thread_time()
        function(*arguments)
        found.append(time.thread_time() - started)
    return min(found)


def sweep(costs: KernelCosts, rounds: int) -> list[dict]:
    """Every layer, pruning rate and firing rate."""
    generator = np.random.default_rng(0)
    rows = []
    for pruned in PRUNED:
        for name, layer in layers(pruned, generator).items():
            choice = KernelChoice(costs)
            sources = int(np.prod(layer.inputs[0].pooled))
            spikes = np.empty((STEPS, layer.neurons, LANES), np.uint8)
            for firing in FIRING:
                arriving = (generator.random((STEPS, sources, LANES)) < firing).astype(np.uint8)
                work = choice.work(layer, arriving, STEPS)
                times = {}
                for kernel in KERNELS:
                    function, arguments = choice.call(kernel, layer, arriving, spikes)
                    times[kernel] = seconds(function, *arguments, rounds=rounds)
                chosen = choice.choose(layer, arriving, STEPS)
                synops = float(np.count_nonzero(arriving)) * work.synapses / work.sources
                rows.append(
                    {
                        "layer": name,
                        "pruned": pruned,
                        "firing": firing,
                        "synops": synops,
                        "seconds": times,
                        "chosen": chosen,
                        "chosen_over_fastest": times[chosen] / min(times.values()),
                        "synops_per_second": synops / times[chosen],
                        "updates_per_second": STEPS * LANES * layer.neurons / times[chosen],
                    }
                )
    return rows


@numba.njit(error_model="numpy")
def bare_rows(rows, order, sums):
    """Add rows of weights in the first-level cache: the most that the event-driven kernel could do."""
    for k in order:
        for n in range(len(sums)):
            sums[n] = np.int16(sums[n] + rows[k, n])


@numba.njit(error_model="numpy")
def bare_scatter(targets, weights, sums):
    """Add single weights where an index says: an event in compressed sparse columns."""
    for k in range(len(targets)):
        sums[targets[k]] += weights[k]


@numba.njit(error_model="numpy")
def bare_lanes(x, sources, weights, total):
    """Weights times rows of lanes: the most that the dense and the sparse kernel could do."""
    lanes_kernels._add_rows(total, x, sources, weights, 0, len(sources))


@numba.njit(error_model="numpy")
def bare_neurons(steps, sums, bias, u, v, neuron, fired, left):
    """Update neurons whose input is always the same."""
    for _ in range(steps):
        _fire(sums, bias, u, v, neuron, fired, left)


def bare(rounds: int) -> dict[str, float]:
    """Operations a second of loops that do nothing else, on one thread."""
    generator = np.random.default_rng(0)
    width, count, repeats = 320, 16, 200_000
    rows = generator.integers(-2, 3, (count, width)).astype(np.int16)
    order = generator.integers(0, count, repeats)
    targets = generator.integers(0, width, 2_000_000).astype(np.int32)
    weights = generator.integers(-2, 3, len(targets)).astype(np.int16)
    x = generator.integers(0, 2, (200, LANES)).astype(np.uint8)
    sources = generator.integers(0, len(x), 500_000).astype(np.int32)
    sums, bias = np.full(1024, 3, np.int16), np.zeros(1024, np.int32)
    states, fired = (np.zeros(1024, np.int32), np.zeros(1024, np.int32)), np.zeros(1024, np.uint8)
    left = np.zeros(1024, np.int32)
    neuron = (0.0, 819 / 4096, np.int32(40 << 6))
    work = {
        "row_products": (repeats * width, bare_rows, (rows, order, np.zeros(width, np.int16))),
        "scattered_synops": (len(targets), bare_scatter, (targets, weights, np.zeros(width, np.int32))),
        "lane_products": (
            len(sources) * LANES,
            bare_lanes,
            (x, sources, weights[: len(sources)], np.zeros(LANES, np.int16)),
        ),
        "neuron_updates": (20_000 * 1024, bare_neurons, (20_000, sums, bias, *states, neuron, fired, left)),
    }
    return {
        f"{name}_per_second": done / seconds(function, *arguments, rounds=rounds)
        for name, (done, function, arguments) in work.items()
    }


def network_graph() -> tuple[Graph, np.ndarray]:
    """The paper's MNIST network, not trained, its weights so large that it fires; images of random dots."""
    network = dpap.networks.build(NOTATION, (1, 28, 28), STEPS, input_max=15)
    for block in network.synaptic_blocks():
        block.weight.data = 2 * (block.weight.data + 0.05 * block.weight.data.abs())
    generator = np.random.default_rng(0)
    shape = (FIRST_SAMPLES, 1, 1, 28, 28)
    dots = generator.integers(0, 16, shape) * (generator.random(shape) < 0.2)
    inputs = np.ascontiguousarray(np.broadcast_to(dots, (FIRST_SAMPLES, STEPS, 1, 28, 28)))
    return deploy.compile(network), inputs.astype(np.uint8)


def first_call() -> dict[str, float]:
    """Seconds of the first and of the second run in this process."""
    graph, inputs = network_graph()
    found = {}
    for name in ("first", "second"):
        wall, processor = time.perf_counter(), time.process_time()
        deploy.run(graph, inputs)
        found[f"{name}_seconds"] = time.perf_counter() - wall
        found[f"{name}_processor_seconds"] = time.process_time() - processor
    return found


def latency() -> dict[str, float]:
    """Time of the steps of a stream."""
    graph, inputs = network_graph()
    simulator = deploy.Simulator(graph, reset_every=STEPS)
    for step in range(LATENCY_STEPS):
        simulator.step(inputs[step // STEPS % len(inputs), step % STEPS])
    found = simulator.latency
    return {"median": found.median, "percentile_99": found.percentile_99, "longest": found.longest}


def in_child(what: str) -> dict[str, float]:
    """A measurement in a process of its own, whose kernels were compiled before."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", what], capture_output=True, text=True, check=True, timeout=600
    )
    return json.loads(done.stdout.splitlines()[-1])


def draw(rows: list[dict], path: Path) -> None:
    """Time against SynOps, one panel a layer and firing rate."""
    names = list(dict.fromkeys(row["layer"] for row in rows))
    titles = [f"{name}, {firing:.1%}" for name in names for firing in FIRING]
    figure = make_subplots(rows=len(names), cols=len(FIRING), subplot_titles=titles)
    for place, (name, firing) in enumerate((name, firing) for name in names for firing in FIRING):
        found = [row for row in rows if (row["layer"], row["firing"]) == (name, firing)]
        at = {"row": place // len(FIRING) + 1, "col": place % len(FIRING) + 1}
        x = [row["synops"] for row in found]
        for kernel in (*KERNELS, "chosen"):
            y = [1e3 * row["seconds"][row["chosen"] if kernel == "chosen" else kernel] for row in found]
            mark = {"symbol": "circle-open", "size": 11} if kernel == "chosen" else {"size": 5}
            mode = "markers" if kernel == "chosen" else "lines+markers"
            label = [f"{row['pruned']:.0%} pruned" for row in found]
            trace = go.Scatter(
                x=x, y=y, name=kernel, mode=mode, marker=mark, text=label, legendgroup=kernel,
                line_color=COLOURS[kernel], showlegend=place == 0,
            )  # fmt: skip
            figure.add_trace(trace, **at)
    figure.update_xaxes(type="log", title="SynOps")
    figure.update_yaxes(type="log", title="ms")
    figure.update_layout(
        height=420 * len(names),
        title=f"Time of a block of {LANES} samples and {STEPS} steps on one thread, by firing rate;"
        " along a line synapses are pruned",
    )
    figure.write_html(path, include_plotlyjs=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--figure", type=Path, help="write the figure, HTML")
    parser.add_argument("--save", action="store_true", help="keep the cost model for later runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=["first", "latency"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps({"first": first_call, "latency": latency}[options.child]()))
        return
    costs = calibrate(options.rounds)
    rows = sweep(costs, options.rounds)
    # Compiles what the children load.
    first_call()
    latency()
    result = {
        "sweep": rows,
        "chosen_over_fastest": {
            "median": float(np.median([row["chosen_over_fastest"] for row in rows])),
            "worst": max(row["chosen_over_fastest"] for row in rows),
        },
        "best_synops_per_second": max(row["synops_per_second"] for row in rows),
        "best_updates_per_second": max(row["updates_per_second"] for row in rows),
        "bare": bare(options.rounds),
        "first_call": in_child("first"),
        "step_seconds": in_child("latency"),
        "costs": costs.model_dump(),
        "conditions": {
            "time_steps": STEPS,
            "lanes": LANES,
            "rounds": options.rounds,
            "numba": numba.__version__,
        },
    }
    if options.figure:
        draw(rows, options.figure)
    if options.save:
        save_costs(costs)
    json.dump(result, sys.stdout, indent=None if options.json else 2)
    print()


if __name__ == "__main__":
    main()
