"""Files that are not NIR, are damaged or made to do harm: a clean load or one typed error, in a moment."""

import h5py
import numpy as np
import pytest
from factories import firing_network
from nir_references import nir

import deploy
from deploy.formats.hdf5 import scan
from dpap import InputError


@pytest.fixture
def valid(tmp_path):
    path = tmp_path / "model.nir"
    deploy.export(deploy.compile(firing_network("2C3-AP2-4FC-3FC", (1, 4, 4), 2)), path)
    return path


def refused(path, message):
    with pytest.raises(deploy.FormatError, match=message) as caught:
        deploy.from_nir(path)
    assert str(path) in str(caught.value)


def test_no_file(tmp_path):
    refused(tmp_path / "model.nir", "no such file")
    refused(tmp_path, "no such file")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(4096)])
def test_a_file_that_is_no_hdf5(tmp_path, content):
    path = tmp_path / "model.nir"
    path.write_bytes(content)
    refused(path, "not a NIR file, or damaged")


def test_our_own_model_is_no_nir(tmp_path):
    path = tmp_path / "model.nir"
    deploy.compile(firing_network("3FC", (4,), 2)).save(path)
    refused(path, "not a NIR file, or damaged")


def test_a_single_node(tmp_path):
    path = tmp_path / "model.nir"
    nir.write(path, nir.Linear(np.ones((2, 2))))
    refused(path, "a single Linear; expected a NIRGraph")


def _huge(file):
    # Nothing is stored; reading it would take 8 exabytes.
    file.create_dataset("node/nodes/conv1/huge", shape=(1 << 60,), dtype="f8", chunks=(1 << 20,))


def _external(file):
    file["node/nodes/other"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft(file):
    file["node/nodes/other"] = h5py.SoftLink("/node")


def _elsewhere(file):
    file.create_dataset("node/other", shape=(16,), dtype="u1", external=[("/etc/passwd", 0, 16)])


def _virtual(file):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "data", shape=(4,))
    file.create_virtual_dataset("node/other", layout)


def _cycle(file):
    file["node/nodes/again"] = file["node"]


def _references(file):
    file.create_dataset("node/other", data=file["node"].ref, dtype=h5py.ref_dtype)


def _compound(file):
    file.create_dataset("node/other", data=np.zeros(3, [("a", "f4"), ("b", "i4")]))


def _long_text(file):
    file["node/other"] = np.array([b"x" * 1000], "S1000").repeat(20000)


def _named_type(file):
    file["node/other"] = np.dtype("f8")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_huge, "more than 268435456 bytes of numbers"),
        (_external, "node/nodes/other: a link to somewhere else"),
        (_soft, "node/nodes/other: a link to somewhere else"),
        (_elsewhere, "node/other: its values are in another file"),
        (_virtual, "node/other: its values are in another file"),
        (_cycle, "groups within groups more than 12 deep"),
        (_references, "node/other: of type object; expected numbers or text"),
        (_compound, "node/other: of type .* expected numbers or text"),
        (_long_text, "bytes of text"),
        (_named_type, "node/other: neither a group nor a data set"),
    ],
)
def test_a_file_made_to_do_harm(valid, harm, message):
    with h5py.File(valid, "r+") as file:
        harm(file)
    refused(valid, message)


def test_text_that_many_elements_share(valid):
    with h5py.File(valid, "r+") as file:
        text = file.create_dataset("node/other", shape=(40,), dtype=h5py.string_dtype())
        text[:] = "x" * (1 << 19)
    refused(valid, "bytes of text")


def test_more_groups_than_any_network_has(valid, monkeypatch):
    monkeypatch.setattr(scan, "MAX_OBJECTS", scan.MAX_OBJECTS // 1000)
    with h5py.File(valid, "r+") as file:
        for index in range(scan.MAX_OBJECTS + 1):
            file.create_group(f"node/other/{index}")
    refused(valid, "more than 65 groups and data sets")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("node/type", b"os"),
        ("node/type", b"Linear"),
        ("node/nodes/fc1/type", b"I"),
        ("node/nodes/fc1/type", b"__builtins__"),
        ("node/nodes/fc1/tau", np.array(["x"], "S1")),
        ("node/nodes/fc1/tau", np.zeros(0)),
        ("node/nodes/fc1/tau", np.zeros((3, 3, 3))),
        ("node/nodes/fc1/tau", -np.ones(4)),
        ("node/nodes/fc1/extra", 1.0),
        ("node/nodes/fc1_weight/weight", np.zeros(5)),
        ("node/nodes/fc1_weight/weight", np.full((4, 8), np.nan)),
        ("node/nodes/fc1_weight/weight", np.full((4, 8), 1e300)),
        ("node/nodes/conv1_weight/stride", np.array([0, 0])),
        ("node/nodes/conv1_weight/groups", 7),
        ("node/nodes/conv1_weight/padding", np.array([-1, 1 << 40])),
        ("node/nodes/fc1_pool/kernel_size", np.array([9, 9])),
        ("node/nodes/input/shape", np.array([1 << 40, 4, 4])),
        ("node/nodes/input/shape", np.array([-1, 4, 4])),
        ("node/edges", np.array([["a", "b", "c"]], "S1")),
        ("node/edges", np.array([["input", "fc1"]], "S5")),
        ("node/metadata/time_steps", -5),
        ("node/metadata/time_steps", np.array([1.0, 2.0])),
        ("node/metadata/dt", 0.0),
    ],
)
def test_a_field_that_is_wrong(valid, field, value):
    with h5py.File(valid, "r+") as file:
        if field in file:
            del file[field]
        file[field] = value
    with pytest.raises(InputError):
        deploy.compile(deploy.from_nir(valid))


def test_mutations_give_a_clean_load_or_a_typed_error(valid):
    original = np.frombuffer(valid.read_bytes(), np.uint8)
    generator = np.random.default_rng(0)
    outcomes = {"loaded": 0, "refused": 0}
    for mutation in range(150):
        mutant = original.copy()
        if mutation % 3 == 0:
            mutant = mutant[: generator.integers(len(mutant))]
        else:
            places = generator.integers(0, len(mutant), generator.choice([1, 4, 64]))
            mutant[places] = generator.integers(0, 256, len(places))
        valid.write_bytes(mutant.tobytes())
        try:
            deploy.compile(deploy.from_nir(valid))
            outcomes["loaded"] += 1
        except InputError:
            outcomes["refused"] += 1
    # Both kinds are among them: a byte in unused space changes nothing.
    assert min(outcomes.values()) > 10
