import pytest

from dpap.errors.shown import shown
from dpap.training.run_config import make_run_config, read_run_config

ITSELF = [1]
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (True, "True"),
        (None, "None"),
        ("two", "'two'"),
        (1 << 20_000, "an int of 20001 bits"),
        ([-(1 << 20_000)], "[an int of 20001 bits]"),
        ("x" * 100, "'" + "x" * 27 + "..." + "x" * 26 + "..."),
        (ITSELF, "[1, [1, [...]]]"),
    ],
    ids=lambda _: "value",
)
def test_values_are_shown_in_at_most_sixty_characters(value, text):
    assert shown(value) == text
    assert len(text) <= 60


def test_an_enormous_number_of_epochs_is_refused_by_its_length(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("training: {epochs: 0x" + "f" * 300 + "}")
    with pytest.raises(ValueError, match=r"training\.epochs is an int of 1200 bits; expected at most 64"):
        make_run_config(read_run_config(path))
