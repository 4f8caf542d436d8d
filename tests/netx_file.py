"""A netx HDF5 file of lava-dl as an integer graph, its numbers carried over as they are."""

from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from deploy.ir import INPUT, CubaLIF, Geometry, Graph, Incoming, Layer, MatrixConnection
from deploy.ir.encoding import encode_convolution


def read_netx(path: str | Path, time_steps: int) -> Graph:
    """The chain of convolutions and dense layers of a netx file, behind the spikes of its input block.

    lava-dl writes kernels as torch has them, ``(out, in, height, width)``, and biases in integer units of
    weights; a flatten goes through channels, rows and columns, as numpy's. So nothing is turned: netx itself
    turns both for Lava's ``(width, height, channels)``.

    Parameters
    ----------
    path : str or Path
    time_steps : int

    Returns
    -------
    Graph
        Layers ``conv1``, ..., ``fc1``, ..., one after the other.
    """
    layers: list[Layer] = []
    counts = {"conv": 0, "fc": 0}
    with h5py.File(path) as file:
        blocks = [file["layer"][str(index)] for index in range(len(file["layer"]))]
        assert _text(blocks[0]["type"]) == "input"
        source, shape = INPUT, tuple(int(extent) for extent in blocks[0]["shape"][:])
        input_shape = shape
        for block in blocks[1:]:
            kind = _text(block["type"])
            if kind == "flatten":
                continue
            assert kind in ("conv", "dense")
            prefix = "conv" if kind == "conv" else "fc"
            counts[prefix] += 1
            weight = block["weight"][:].astype(np.int16)
            if kind == "conv":
                pairs = (block[name][:].tolist() for name in ("kernelSize", "stride", "padding", "dilation"))
                geometry = Geometry(*(tuple(pair) for pair in pairs), int(block["groups"][()]))
                connection = encode_convolution(weight, geometry, 1, shape[0])
                shape = connection.output_shape(shape)
            else:
                # A single neuron's weights have one axis.
                weight = weight.reshape(int(block["outFeatures"][()]), -1)
                geometry, connection = None, MatrixConnection(sparse.csr_matrix(weight))
                shape = (len(weight),)
            assert np.prod(shape) == np.prod(block["shape"][:])
            layers.append(
                Layer(
                    name=f"{prefix}{counts[prefix]}",
                    shape=shape,
                    kept=np.arange(shape[0], dtype=np.int32),
                    without_fan_out=np.empty(0, np.int32),
                    neuron=_neuron(block["neuron"]),
                    inputs=(Incoming(source, connection, geometry),),
                    scale=64.0,
                    bias=block["bias"][:].astype(np.int32),
                )
            )
            source = layers[-1].name
    return Graph(input_shape, 1, time_steps, tuple(layers))


def _neuron(group: h5py.Group) -> CubaLIF:
    assert int(group["refDelay"][()]) == 1 and int(group["wgtExp"][()]) == 0
    return CubaLIF(*(int(group[name][()]) for name in ("iDecay", "vDecay", "vThMant")))


def _text(dataset: h5py.Dataset) -> str:
    return np.ravel(dataset[()])[0].decode()
