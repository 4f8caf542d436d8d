import math
import time

import pytest
import yaml

from dpap.files.yaml_reader import MAX_BYTES, MAX_DEPTH, MAX_NODES, read_yaml

PAIRS = zip("abcdefgh", "bcdefghi", strict=True)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in PAIRS
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("a: 1\nb: [1.5, null, true, text]\n", {"a": 1, "b": [1.5, None, True, "text"]}),
        ("a: &a text\nb: *a", {"a": "text", "b": "text"}),
        ("a: .nan", {"a": math.nan}),
        (b"name: caf\xc3\xa9", {"name": "café"}),
        ("1e-3", "1e-3"),
        ("{rotation: 10, elastic: 1}", {"rotation": 10, "elastic": 1}),
        ("a: {b: 1}\nc: {b: 2}", {"a": {"b": 1}, "c": {"b": 2}}),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
    ],
)
def test_plain_values(text, expected):
    assert repr(read_yaml(text)) == repr(expected if expected is not None else yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "an anchor of a list or a mapping in line 1; write the values out"),
        ("a: &a {b: *a}", "an anchor of a list or a mapping in line 1"),
        ("a: 1\nb: *a", "undefined alias"),
        ("a: &a " + "x" * 1001, "an anchor of a text of 1001 letters in line 1"),
        ("a:\n  <<: {b: 1}", "a merge key in line 2; write the fields out"),
        ("a: 1\nb: 2\na: 3", "'a' appears twice in a mapping, again in line 3"),
        ("x: {a: 1, a: 1}", "'a' appears twice"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "more than 32 deep, in line 1"),
        ("[" * 100_000, "more than 32 deep"),
        ("[" + "1," * MAX_NODES + "]", "more than 50,000 values"),
        ("a: " + "x" * MAX_BYTES, "at most 1,048,576"),
        ("epochs: 0x" + "f" * 100_000, "a number of 100002 digits in line 1; at most 400"),
        ("epochs: " + "9" * 100_000, "a number of 100000 digits"),
        (b"\xff\xfe\xfa", "utf-8"),
        ("a: 2001-99-99", "month"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("{[1, 2]: 3}", "unhashable"),
    ],
)
def test_what_a_configuration_does_not_need_is_refused_at_once(text, message):
    started = time.process_time()
    with pytest.raises(yaml.YAMLError, match=message):
        read_yaml(text)
    assert time.process_time() - started < 10
