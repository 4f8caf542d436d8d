"""Writes a graph in every way with no room for it; a process of its own, since HDF5 can end one at exit."""

import resource
import sys
from pathlib import Path

import numpy as np

import deploy
from deploy.cli.main import main
from deploy.formats.registry import export
from dpap.errors import StorageError
from dpap.files.writing import write_bytes

WAYS = {
    **{name: lambda out, name=name: export(graph, out, name) for name in ("h5", "netx", "nir", "sana-fe")},
    "record": lambda out: deploy.run(graph, inputs, record_to=out),
    "save-recording": lambda out: deploy.run(graph, inputs).save(out),
    "bytes": lambda out: write_bytes(out, bytes(1 << 20)),
}

model, folder, room = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
arguments = sys.argv[4:]
graph = deploy.load(model)
shape = (512, graph.time_steps, *graph.input_shape)
inputs = np.random.default_rng(0).integers(0, graph.input_max + 1, shape).astype(np.uint8)
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
if arguments:
    np.save(folder / "inputs.npy", inputs)
if room:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, unlimited[1]))
if arguments:
    main(arguments)
said = []
for name, write in WAYS.items():
    try:
        write(folder / name)
        said.append(f"{name}: written")
    except StorageError as error:
        said.append(f"{name}: {error}")
# Standard output can be a file, too.
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
print("\n".join(said))
