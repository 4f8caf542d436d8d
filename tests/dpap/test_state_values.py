"""States as JSON and named tensors."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import dpap
from dpap.checkpoint.values import decode, encode

LEAVES = st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.text(max_size=4)
KEYS = st.text(max_size=4) | st.integers(-5, 5) | st.sampled_from(["$tensor", "$tuple", "$", "$items"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or one.hex() == other.hex()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        # The order of keys is part of a state too.
        return all(map(same, one.items(), other.items())) and len(one) == len(other)
    return one == other


@given(VALUES)
def test_values_come_back_as_they_were(value):
    tensors = {}
    text = json.dumps(encode(value, "state", tensors), allow_nan=False)
    assert same(decode(json.loads(text), "state", tensors), value)


def test_tensors_are_named_by_their_place_and_taken_once():
    state = {"a": [torch.tensor(1), {"b": torch.tensor(2)}], "a/0": torch.tensor(3)}
    tensors = {}
    plain = encode(state, "s", tensors)
    assert plain == {
        "a": [{"$tensor": "s/a/0"}, {"b": {"$tensor": "s/a/1/b"}}],
        "a/0": {"$tensor": "s/a/0#2"},
    }
    found = decode(plain, "s", tensors)
    assert (found["a"][0], found["a"][1]["b"], found["a/0"]) == (1, 2, 3)
    assert tensors == {}


@pytest.mark.parametrize(
    "content",
    [
        {"$tensor": "none"},
        {"$tensor": 3},
        {"$tensor": ["x"]},
        [{"$tensor": "x"}, {"$tensor": "x"}],
        {"$tuple": 3},
        {"$float": "1e5"},
        {"$float": []},
        {"$items": [[1]]},
        {"$items": [[1, 2], [1, 3]]},
        {"$items": [[{"$tensor": "x"}, 2]]},
        {"$items": [[[1], 2]]},
        {"$code": "open"},
        {"$tuple": [], "other": 1},
        math.inf,
    ],
)
def test_other_forms_are_refused(content):
    with pytest.raises(dpap.InputError, match=r"^state"):
        decode(content, "state", {"x": torch.zeros(1)})


def test_objects_are_refused():
    with pytest.raises(dpap.InputError, match="state/a/0 is a object; a checkpoint holds tensors"):
        encode({"a": [object()]}, "state", {})
