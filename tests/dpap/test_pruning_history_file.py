"""A pruning history as a file: what is read is what was written, and damage is named."""

import numpy as np
import pytest

import dpap
from dpap.pruning import read_pruning_history

EPOCHS, UNITS = 3, 2


def arrays():
    """The smallest record: one layer, two synapses, one of them pruned in the second epoch."""
    return {
        "fc1/pruning_rate": np.array([0.0, 0.5, 0.5]),
        "fc1/neurons_alive": np.array([2, 2, 1]),
        "fc1/synapses/places": np.array([0, 1]),
        "fc1/synapses/survival": np.vstack([np.full((5, UNITS), np.nan), [[1, 2], [0.5, 3], [-0.1, 4]]]),
        "fc1/synapses/died": np.array([2, 0]),
        "fc1/synapses/importance": np.array([0.1, np.nan]),
        "fc1/synapses/quantiles": np.tile([1.0, 1.0, 2.0, 3.0, np.nan], (EPOCHS, 1)),
    }


def saved(path, content):
    np.savez_compressed(path, **content)
    return path


def test_what_is_read_is_what_was_written(tmp_path):
    record = read_pruning_history(saved(tmp_path / "development.npz", arrays()))
    assert record.epochs == EPOCHS
    (layer,) = record.layers.values()
    assert layer.pruning_rate.tolist() == [0, 0.5, 0.5]
    assert layer.turnover == {} and layer.ranges is None
    units = layer.units["synapses"]
    assert units.pruned.tolist() == [True, False] and units.retained.tolist() == [False, True]
    assert units.survival[-1].tolist() == [-0.1, 4]


@pytest.mark.parametrize(
    ("name", "values", "part"),
    [
        ("fc1/pruning_rate", np.array([0, 0.5, 1.5]), "pruning_rate has a value outside of 0 to 1"),
        ("fc1/pruning_rate", np.array([0, 0.5, np.nan]), "pruning_rate has a value outside"),
        ("fc1/neurons_alive", np.array([2, 2]), r"neurons_alive is of .* shape \(2,\); expected"),
        ("fc1/neurons_alive", np.array([2.0, 2, 1]), "neurons_alive is of type float64"),
        ("fc1/synapses/died", np.array([2, 9]), "died has a value outside of -1 to 3"),
        ("fc1/synapses/survival", np.zeros((7, 2)), "survival is of"),
        ("fc1/synapses/survival", np.full((8, 2), np.inf), "survival has a value outside"),
        ("fc1/synapses/importance", np.array([0.1, 2]), "importance has a value outside"),
        ("fc1/synapses/quantiles", np.tile([2.0, 1, 2, 3, 4], (3, 1)), "quantiles do not rise"),
        ("fc1/synapses/places", np.array([], np.int64), "places has 0 units"),
        ("fc1/synapses/died", None, "died is missing"),
        ("fc1/pruning_rate", None, "pruning_rate is missing"),
        ("fc1/synapses_pruned", np.array([1, 2, 3]), "synapses_regrown is missing"),
        ("fc1/ranges", np.full((3, 5), -1.0), "ranges has a value outside"),
        ("no_such_name", np.array([1]), "no_such_name is no array of a pruning history"),
        ("fc1/pruning_rate", np.array([object()] * 3), "allow_pickle=False"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, values, part):
    content = arrays() | {name: values}
    content = {key: value for key, value in content.items() if value is not None}
    with pytest.raises(dpap.InputError, match=rf"development\.npz.*{part}"):
        read_pruning_history(saved(tmp_path / "development.npz", content))


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text", "nothing"])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "development.npz"
    if damage != "missing":
        saved(path, {} if damage == "nothing" else arrays())
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "text":
        path.write_text("epoch,loss\n")
    with pytest.raises(dpap.InputError, match=r"development\.npz: "):
        read_pruning_history(path)


def test_an_array_that_unpacks_to_too_much_is_refused(tmp_path):
    content = arrays() | {"fc1/pruning_rate": np.zeros(1 << 24)}
    with pytest.raises(dpap.InputError, match="bytes, too many"):
        read_pruning_history(saved(tmp_path / "development.npz", content))
