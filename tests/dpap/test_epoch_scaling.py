import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpap.training.epoch_scaling import scale_epochs
from dpap.training.run_config import make_run_config

FIELDS = {
    "training": {
        "epochs": 40,
        "warm_up": 4,
        "brief": [{"epochs": 24, "time_steps": 2}, {"epochs": 10, "time_steps": 4}],
        "cycles": [10, 30],
    },
    "pruning": {"target": {"pruning_rate": 0.5, "epochs": 30}, "schedule": {"warm_up": 5}},
    "sdsnn": {"patience": 4, "freeze": 28},
}


def test_what_is_given_in_epochs_keeps_its_share_by_hand():
    # A quarter of all: 24 and 34 epochs end the parts at 6 and 8.5, which is rounded up; 5 / 4 is 1.
    assert scale_epochs(FIELDS, 10) == {
        "training.warm_up": 1,
        "training.brief": [{"epochs": 6, "time_steps": 2}, {"epochs": 3, "time_steps": 4}],
        "training.cycles": [3, 7],
        "pruning.target.epochs": 8,
        "pruning.schedule.warm_up": 1,
        "sdsnn.patience": 1,
        "sdsnn.freeze": 7,
    }


def test_of_one_epoch_what_comes_to_nothing_is_left_out():
    # 24/40 and 34/40 of an epoch both end at 1; the second part has none.
    changes = scale_epochs(FIELDS, 1)
    assert changes["training.brief"] == [{"epochs": 1, "time_steps": 2}]
    assert changes["training.cycles"] == [1]
    assert (changes["pruning.target.epochs"], changes["pruning.schedule.warm_up"]) == (1, 0)


@pytest.mark.parametrize("fields", [{}, {"training": {}}, {"training": {"epochs": 7}}, {"training": None}])
def test_where_nothing_is_given_nothing_changes(fields):
    assert scale_epochs(fields, 7) == {}


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_a_valid_configuration_stays_one(before, after, data):
    first = data.draw(st.integers(1, before))
    fields = {
        "training": {
            "epochs": before,
            "warm_up": data.draw(st.integers(0, before)),
            "brief": [{"epochs": first, "time_steps": 2}],
            "cycles": [first, before - first] if first < before else [before],
        },
        "pruning": {"target": {"pruning_rate": 0.5, "epochs": data.draw(st.integers(1, before))}},
    }
    make_run_config(fields)
    config = make_run_config(fields, {"training.epochs": after} | scale_epochs(fields, after))
    assert sum(config.training.cycles) == after
