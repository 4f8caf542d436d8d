import h5py
import numpy as np
import pytest
from factories import firing_network

import deploy
from deploy.formats.seal import seal


@pytest.fixture(params=["model", "recording"])
def stored(request, tmp_path):
    """A file that is sealed anew after it was changed, and what reads it."""
    graph = deploy.compile(firing_network("3FC", (4,), 2))
    path = tmp_path / "file.h5"
    if request.param == "model":
        graph.save(path)
        return path, deploy.load, "layers/0/kept"
    deploy.run(graph, np.ones((8, 2, 4), np.uint8), record_to=path)
    return path, deploy.load_recording, "graph/layers/0/kept"


def external_link(file, place, other):
    del file[place]
    file[place] = h5py.ExternalLink(str(other), "secret")


def soft_link(file, place, other):
    file[place + "2"] = file[place]
    del file[place]
    file[place] = h5py.SoftLink("/" + place + "2")


def virtual(file, place, other):
    shape, kind = file[place].shape, file[place].dtype
    layout = h5py.VirtualLayout(shape, kind)
    layout[:] = h5py.VirtualSource(str(other), "secret", shape=shape)
    del file[place]
    file.create_virtual_dataset(place, layout)


def external_storage(file, place, other):
    shape, kind = file[place].shape, file[place].dtype
    del file[place]
    file.create_dataset(place, shape, kind, external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def huge(file, place, other):
    del file[place]
    file.create_dataset(place, ((1 << 28) + 1,), np.uint8, chunks=True, compression="gzip")


def many_links(file, place, other):
    data = file.create_dataset(place + "-large", (1 << 26,), np.uint8, chunks=True, compression="gzip")
    for index in range(5):
        file[f"{place}-{index}"] = data


def foreign_filter(file, place, other):
    del file[place]
    file.create_dataset(place, data=np.arange(3, dtype=np.int32), compression="lzf")


def large_chunk(file, place, other):
    # A chunk is allocated whole, though the data set has three numbers.
    del file[place]
    chunks, kept = ((1 << 27) + 1,), (None,)
    file.create_dataset(place, (3,), np.uint8, chunks=chunks, maxshape=kept, compression="gzip")


def packed_twice(file, place, other):
    del file[place]
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((3,))
    settings.set_deflate(9)
    settings.set_deflate(9)
    space = h5py.h5s.create_simple((3,))
    h5py.h5d.create(file.id, place.encode(), h5py.h5t.NATIVE_INT32, space, settings)


def deep(file, place, other):
    file.create_group("/".join("a" * 20))


def attributes(file, place, other):
    for index in range(65):
        file[place].attrs[str(index)] = 0


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (external_link, "a link to somewhere else"),
        (soft_link, "a link to somewhere else"),
        (virtual, "its values are in another file"),
        (external_storage, "its values are in another file"),
        (huge, "more than 268435456 bytes of numbers"),
        (many_links, "more than 268435456 bytes of numbers"),
        (foreign_filter, "packed by filters .*; expected each of .* at most once"),
        (packed_twice, "packed by filters .*; expected each of .* at most once"),
        (large_chunk, "chunks of 134217729 bytes; at most 134217728"),
        (deep, "more than 12 deep"),
        (attributes, "65 attributes; at most 64"),
    ],
)
def test_a_file_that_leads_elsewhere_or_grows_is_refused(stored, harm, message, tmp_path):
    path, read, place = stored
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.arange(3, dtype=np.int32)
    with h5py.File(path, "r+") as file:
        harm(file, place, other)
    seal(path)
    with pytest.raises(deploy.FormatError, match=message):
        read(path)
