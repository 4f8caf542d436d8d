import os
from types import SimpleNamespace

import numpy as np
import pytest

from deploy.cli.data import load_inputs
from dpap.errors import DataError

GRAPH = SimpleNamespace(input_shape=(2, 3), time_steps=4, input_max=1)


def header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("change", [np.asfortranarray, lambda a: a.astype(">i4"), lambda a: a])
def test_any_order_of_numbers_is_the_same_inputs(tmp_path, change):
    values = np.arange(48).reshape(2, 4, 2, 3)
    np.save(tmp_path / "a.npy", change(values))
    inputs, labels = load_inputs(GRAPH, str(tmp_path / "a.npy"), None)
    assert np.array_equal(inputs, values)
    assert inputs.flags.c_contiguous
    assert inputs.dtype.isnative
    assert labels is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a .npy file of numbers, or damaged"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "or damaged"),
        (header("{'descr': '<i4', 'fortran_order': False, 'shape': ()}") + bytes(4), "0-dimensional"),
        (header("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}") + bytes(4), "of type <U1"),
        (header("{'descr': '<i4', 'fortran_order': False, 'shape': (9999999999999,)}"), "or damaged"),
        (header("{'descr': '<i4', 'fortran_order': False, 'shape': (-1,)}"), "or damaged"),
        (header("[" * 5000), "or damaged"),
    ],
)
def test_files_made_to_do_harm(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_inputs(GRAPH, str(tmp_path / "a.npy"), None)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(DataError, match="neither a file nor a data set"):
        load_inputs(GRAPH, str(tmp_path / "a.npy"), None)
