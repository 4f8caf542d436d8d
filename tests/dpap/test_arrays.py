import io
import time
import zipfile

import numpy as np
import pytest

from dpap.errors import InputError
from dpap.files.arrays import MAX_MEMBERS, load_arrays, map_array, save_arrays


def array_bytes(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_a_round_trip(tmp_path):
    save_arrays(tmp_path / "a.npz", {"one/a": np.arange(3), "b": np.zeros((2, 0))})
    arrays = load_arrays(tmp_path / "a.npz", 1 << 20, "arrays")
    assert arrays["one/a"].tolist() == [0, 1, 2]
    assert arrays["b"].shape == (2, 0)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([(f"{k}.npy", b"") for k in range(MAX_MEMBERS + 1)], "8,193 arrays; at most 8,192"),
        ([(f"{k}.npy", bytes(1 << 20)) for k in range(600)], "629,145,600 bytes in all, unpacked; at most"),
        ([("a.npy", bytes(1 << 21))], r"a\.npy has 2097152 bytes, too many"),
        ([("a.npy", array_bytes(np.zeros(1)))] * 2, "two arrays of one name"),
        ([("a.txt", b"text")], "holds something that is no array"),
        ([("a.npy", b"\x93NUMPY\x01\x00")], "not a file of masks, or damaged"),
        ([], "holds no masks"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_made_to_do_harm(tmp_path, members, message):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    started = time.process_time()
    with pytest.raises(InputError, match=message):
        load_arrays(path, 1 << 20, "masks")
    assert time.process_time() - started < 10


def test_an_array_is_mapped(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    assert map_array(tmp_path / "a.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("descr", ["|V0", "|S0", "<f8"])
@pytest.mark.parametrize("shape", [(-1,), (2, -3)])
def test_a_header_that_ends_the_process_in_numpy_is_refused(tmp_path, descr, shape):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        file.write(bytes(64))
    with pytest.raises(ValueError, match=r"items of type .* in the shape \(.*-"):
        map_array(path)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<u1', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<u1', 'fortran_order': False, 'shape': (1,",
        "(" * 9000,
        "{'descr': '''",
        "-" * 9000 + "1",
        "",
    ],
    ids=["no end", "no end of a tuple", "deep", "no end of a string", "deep signs", "empty"],
)
def test_a_header_that_is_no_expression_is_refused(tmp_path, header):
    path = tmp_path / "a.npy"
    content = header.encode("latin1")
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(8))
    with pytest.raises(ValueError, match="header"):
        map_array(path)
