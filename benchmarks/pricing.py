"""Time and memory of mapping and pricing a large convolutional network with all its synapses.

``128C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-512FC-10FC`` on 32 x 32 with 3 channels, no synapse pruned: 1.1
thousand million synapses, kernels and pools unrolled. Weights and spikes are random, since what they are
does not matter to the time. On Loihi 1 two of its layers exceed the input axons of a core, and one the
synaptic memory; it is placed all the same (``oversized="place"``). Memory is the peak resident set of the
process, imports included.

    uv run python benchmarks/pricing.py [--steps 4] [--samples 1] [--hardware loihi1] [--json]
"""

import argparse
import json
import resource
import time

import numpy as np
from scipy import sparse

from deploy.hardware import estimate
from deploy.ir import INPUT, ConvConnection, CubaLIF, Geometry, Graph, Incoming, Layer, MatrixConnection
from deploy.measurement.measurement import measure
from deploy.recording import Recording

NEURON = CubaLIF(current_decay=4096, voltage_decay=1024, threshold=640)


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Even integers from -126 to 126 without a zero."""
    return (2 * rng.integers(1, 64, shape) * rng.choice([-1, 1], shape)).astype(np.int16)


def convolution(
    rng: np.random.Generator, name: str, source: str, channels: tuple[int, int], side: int, pool: int
):
    """A layer of 3 x 3 kernels with padding 1."""
    inputs, outputs = channels
    connection = ConvConnection(
        kernels=weights(rng, (outputs * inputs, 3, 3)),
        indptr=(np.arange(outputs + 1) * inputs).astype(np.int32),
        indices=np.tile(np.arange(inputs, dtype=np.int32), outputs),
        inputs=inputs,
        geometry=Geometry((3, 3), padding=(1, 1)),
        pool=pool,
    )
    return layer(name, source, (outputs, side, side), connection, connection.geometry)


def dense(rng: np.random.Generator, name: str, source: str, sources: int, neurons: int):
    """A layer of single synapses."""
    matrix = sparse.csr_matrix(weights(rng, (neurons, sources)))
    return layer(name, source, (neurons,), MatrixConnection(matrix), None)


def layer(name, source, shape, connection, geometry) -> Layer:
    """A layer from which nothing was removed."""
    kept, without_fan_out = np.arange(shape[0], dtype=np.int32), np.zeros(0, np.int32)
    incoming = Incoming(source, connection, geometry)
    return Layer(name, shape, kept, without_fan_out, NEURON, (incoming,), 64.0)


def cifar10_network(time_steps: int) -> Graph:
    """The network, unpruned."""
    rng = np.random.default_rng(0)
    layers = (
        convolution(rng, "conv1", INPUT, (3, 128), 32, 1),
        convolution(rng, "conv2", "conv1", (128, 128), 32, 1),
        convolution(rng, "conv3", "conv2", (128, 256), 16, 2),
        convolution(rng, "conv4", "conv3", (256, 256), 16, 1),
        convolution(rng, "conv5", "conv4", (256, 512), 8, 2),
        convolution(rng, "conv6", "conv5", (512, 512), 8, 1),
        dense(rng, "fc1", "conv6", 512 * 8 * 8, 512),
        dense(rng, "fc2", "fc1", 512, 10),
    )
    return Graph((3, 32, 32), 1, time_steps, layers)


def random_recording(graph: Graph, samples: int, rate: float = 0.1) -> Recording:
    """Spikes of every layer at random."""
    rng = np.random.default_rng(1)

    def spikes(shape):
        return (rng.random((samples, graph.time_steps, *shape), np.float32) < rate).astype(np.uint8)

    kept = {one.name: spikes(one.kept_shape) for one in graph.layers}
    return Recording(graph, spikes(graph.input_shape), kept, "random", 0.0)


def main() -> None:
    """Measure, map and price once, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--hardware", default="loihi1")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    graph = cifar10_network(options.steps)
    recording = random_recording(graph, options.samples)
    started = time.perf_counter()
    measurement = measure(graph, recording)
    measured, cpu = time.perf_counter(), time.process_time()
    result = estimate(measurement, options.hardware, unknown="bound", oversized="place")
    priced, cpu = time.perf_counter(), time.process_time() - cpu
    figures = {
        "hardware": options.hardware,
        "samples": options.samples,
        "time_steps": options.steps,
        "synapses": measurement.total("synapses"),
        "cores": result.cores,
        "measure_seconds": round(measured - started, 2),
        "map_and_price_seconds": round(priced - measured, 2),
        "map_and_price_cpu_seconds": round(cpu, 2),
        "seconds": round(priced - started, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name}: {value:,}" if isinstance(value, int | float) else f"{name}: {value}")


if __name__ == "__main__":
    main()
