"""Text of damaged files, on which the HDF5 library would wait for ever."""

import struct

import pytest
from factories import firing_network

import deploy
from deploy.formats.heaps import check_heaps
from deploy.formats.seal import seal


def objects(content):
    """Where the objects of the first collection start, and its free space last."""
    position = content.find(b"GCOL") + 16
    while True:
        index, _, _, length = struct.unpack_from("<HHIQ", content, position)
        yield position
        if not index:
            return
        position += 16 + (length + 7) // 8 * 8


@pytest.fixture(params=["h5", "nir"])
def model(request, tmp_path):
    """A file of each format, and what reads it."""
    if request.param == "nir":
        pytest.importorskip("nir")
    path = tmp_path / f"model.{request.param}"
    deploy.export(deploy.compile(firing_network("3FC", (4,), 2)), path)
    return path, deploy.load if request.param == "h5" else deploy.from_nir


def damaged(path, position, value):
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, position, value)
    rewritten(path, content)


def rewritten(path, content):
    """Write damage that our own seal, which would notice it first, agrees with."""
    path.write_bytes(content)
    if path.suffix == ".h5":
        seal(path)


def test_sound_text_is_read(model):
    path, read = model
    check_heaps(path)
    read(path)


@pytest.mark.parametrize("length", [0, 8, 1 << 40, (1 << 64) - 8])
def test_free_space_of_a_wrong_size(model, length):
    path, read = model
    *_, free = objects(path.read_bytes())
    damaged(path, free + 8, length)
    with pytest.raises(deploy.FormatError, match=f"an object of {length} bytes, which does not fit"):
        read(path)


def test_text_longer_than_its_collection(model):
    path, read = model
    first, *_ = objects(path.read_bytes())
    damaged(path, first + 8, 1 << 30)
    with pytest.raises(deploy.FormatError, match="the text at byte"):
        read(path)


def test_a_collection_larger_than_the_file(model):
    path, read = model
    damaged(path, path.read_bytes().find(b"GCOL") + 8, 1 << 50)
    with pytest.raises(deploy.FormatError, match="more than the file"):
        read(path)


def test_a_collection_that_is_cut_off(model):
    path, read = model
    content = path.read_bytes()
    rewritten(path, content[: content.find(b"GCOL") + 10])
    with pytest.raises(deploy.FormatError, match="is cut off"):
        read(path)
