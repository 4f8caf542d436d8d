"""Small graphs and recordings whose every spike is written down, and chips with small limits."""

import numpy as np
import yaml
from scipy import sparse

from deploy.hardware import load_hardware
from deploy.ir import ConvConnection, CubaLIF, Geometry, Graph, Incoming, Layer, MatrixConnection
from deploy.recording import Recording

NEURON = CubaLIF(current_decay=4096, voltage_decay=4096, threshold=1)


def dense(name, source, weight, pool=1):
    """A flat layer with the weights ``(targets, sources)``."""
    weight = np.asarray(weight, np.int16)
    connection = MatrixConnection(sparse.csr_matrix(weight), pool)
    return _layer(name, source, (len(weight),), connection, None)


def convolution(name, source, weight, extent, padding, pool=1):
    """A convolution with the kernels ``(outputs, inputs, side, side)`` to images of side ``extent``."""
    weight = np.asarray(weight, np.int16)
    outputs, inputs, side = weight.shape[:3]
    connection = ConvConnection(
        kernels=weight.reshape(-1, side, side),
        indptr=np.arange(outputs + 1, dtype=np.int32) * inputs,
        indices=np.tile(np.arange(inputs, dtype=np.int32), outputs),
        inputs=inputs,
        geometry=Geometry((side, side), padding=(padding, padding)),
        pool=pool,
    )
    shape = (outputs, extent, extent)
    return _layer(name, source, shape, connection, connection.geometry)


def _layer(name, source, shape, connection, geometry):
    kept, without_fan_out = np.arange(shape[0], dtype=np.int32), np.zeros(0, np.int32)
    incoming = Incoming(source, connection, geometry)
    return Layer(name, shape, kept, without_fan_out, NEURON, (incoming,), 1.0)


def graph(input_shape, layers, time_steps=1, input_max=1):
    return Graph(tuple(input_shape), input_max, time_steps, tuple(layers))


def recording(graph, inputs, **spikes):
    """Spikes as given by layer name, each ``(N, T, *shape)``."""
    kept = {name: np.asarray(values, np.uint8) for name, values in spikes.items()}
    return Recording(graph, np.asarray(inputs), kept, "by hand", 0.0)


def loihi1_text(**changes):
    """The YAML of Loihi 1 as nested data, with dotted fields replaced (``__`` for a dot)."""
    data = yaml.safe_load(_source())
    for field, value in changes.items():
        *parents, last = field.split("__")
        part = data
        for key in parents:
            part = part[key]
        part[last] = value
    return data


def _source():
    from importlib.resources import files

    return (files("hardware_configs") / "loihi1.yaml").read_text()


def small_chip(tmp_path, **limits):
    """Loihi 1 with other limits: ``neurons_per_core=1`` and the like, of its structure."""
    data = loihi1_text()
    for name, value in limits.items():
        data["structure"][name]["value"] = value
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_hardware(path)


def pulses(*rows):
    """One sample with the given spikes of each step: ``(1, T, neurons)``."""
    return np.array([rows])
