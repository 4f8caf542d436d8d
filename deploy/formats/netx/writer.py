"""Writing a graph as netx's HDF5."""

from functools import partial
from pathlib import Path

import h5py
import numpy as np

from deploy.formats.hdf5.writing import write_hdf5
from deploy.formats.netx.blocks import Block, netx_blocks, one_sample_a_run
from deploy.ir import Graph
from dpap.files.writing import write_atomically


def save(graph: Graph, path: str | Path) -> None:
    """Write a graph as netx reads it; the file appears whole or not at all.

    Raises
    ------
    ExportError
        netx cannot say a layer, which is named with what to do.
    """
    blocks = netx_blocks(graph)
    write_atomically(path, lambda temporary: write_hdf5(temporary, partial(_write, graph, blocks)))


def _write(graph: Graph, blocks: list[Block], file: h5py.File) -> None:
    file.attrs["input_shape"] = np.array(graph.input_shape)
    file.attrs["input_max"] = graph.input_max
    file.attrs["input_message_bits"] = graph.input_max.bit_length() if graph.input_max > 1 else 0
    file.attrs["time_steps"] = graph.time_steps
    file.attrs["reset_interval"] = graph.time_steps
    file.attrs["reset_offset"] = 1
    file.attrs["one_sample_a_run"] = one_sample_a_run(graph)
    first = file.create_group("layer/0")
    _write_text(first, "type", "input")
    first["shape"] = np.array(graph.input_shape)
    for index, block in enumerate(blocks, start=1):
        _write_block(file.create_group(f"layer/{index}"), block)


def _write_block(group: h5py.Group, block: Block) -> None:
    _write_text(group, "type", block.kind)
    group["shape"] = np.array(block.shape)
    for name, array in block.arrays.items():
        options = {"compression": "gzip"} if array.ndim > 1 else {}
        group.create_dataset(name, data=array.astype(np.int32), **options)
    if block.layer is None:
        return
    group.attrs["name"] = block.layer.name
    group.attrs["kept"] = block.layer.kept
    group.attrs["network_shape"] = np.array(block.layer.shape)
    neuron = block.layer.neuron
    _write_text(group, "neuron/type", "CUBA")
    group["neuron/iDecay"] = neuron.current_decay
    group["neuron/vDecay"] = neuron.voltage_decay
    group["neuron/vThMant"] = neuron.threshold
    group["neuron/refDelay"] = 1
    group["neuron/gradedSpike"] = False


def _write_text(group: h5py.Group, name: str, text: str) -> None:
    # Fixed-length bytes in an array of one, as lava-dl writes them.
    group.create_dataset(name, data=np.array([text.encode("ascii")]))
