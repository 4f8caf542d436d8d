"""Budgets and how they are written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dpap
from dpap.pruning import Budget, TargetConfig, parse_budget
from dpap.pruning.budget import JOULES


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("synops=2e5", ("synops", 200000.0, None, None)),
        ("synops=150000", ("synops", 150000.0, None, None)),
        ("energy=5uJ:loihi1/sanafe_fit", ("energy", 5e-6, "loihi1", "sanafe_fit")),
        ("energy=5\u00b5J:spinnaker2", ("energy", 5e-6, "spinnaker2", None)),
        ("energy=5\u03bcJ:spinnaker2", ("energy", 5e-6, "spinnaker2", None)),
        ("energy=0.5mJ:mine/chip.yaml", ("energy", 5e-4, "mine/chip.yaml", None)),
        ("energy=30.nJ:/mine/chip.yml/costs", ("energy", 3e-8, "/mine/chip.yml", "costs")),
        ("energy=1E-3J:a/b", ("energy", 1e-3, "a", "b")),
        ("cores=8:loihi1", ("cores", 8.0, "loihi1", None)),
    ],
)
def test_what_is_written(text, fields):
    budget = parse_budget(text)
    assert (budget.quantity, budget.limit, budget.hardware, budget.cost_set) == fields
    assert TargetConfig(budget=text, epochs=4).budget == budget
    assert Budget(**budget.model_dump()) == budget


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not known; write it as in synops=2e5 or energy=5uJ:loihi1/sanafe_fit or cores=8:loihi1"),
        ("5uJ", "is not known"),
        ("power=3W:loihi1", "'power=3W:loihi1' is not known"),
        ("Synops=3", "is not known"),
        ("synops=", "'' is not a number"),
        ("synops=0", "not a finite number above 0"),
        ("synops=-1", "'-1' is not a number"),
        ("synops=nan", "'nan' is not a number"),
        ("synops=1e999", "not a finite number above 0"),
        ("synops=1e99999999999", "is not a number"),
        ("synops=1_000", "is not a number"),
        ("synops=2k", "'2k' is not a number; write it as in synops=2e5"),
        ("synops=2e5:loihi1", "SynOps are counted on no hardware"),
        ("energy=5:loihi1/davies2018", "'5' is not a number with a unit, J, mJ, uJ or nJ"),
        ("energy=5 uJ:loihi1", "'5 uJ' is not"),
        ("energy=5kJ:loihi1", "'5kJ' is not"),
        ("energy=5UJ:loihi1", "'5UJ' is not"),
        ("energy=5uJ", "needs the hardware, as in energy=5uJ:loihi1/sanafe_fit"),
        ("energy=5uJ:", "no hardware after the colon"),
        ("energy=5uJ:loihi1/", "no cost set after the slash"),
        ("cores=8", "a budget of cores needs the hardware"),
        ("cores=0:loihi1", "above 0"),
        ("cores=8.5:loihi1", "cores are 8.5; expected a whole number from 1"),
        ("cores=8:loihi1/sanafe_fit", "cores have no cost set; leave /sanafe_fit out"),
        ("cores=8uJ:loihi1", "'8uJ' is not a number"),
    ],
)
def test_what_is_refused_in_one_line(text, part):
    with pytest.raises(dpap.InputError) as refusal:
        parse_budget(text)
    message = str(refusal.value)
    assert part in message
    assert "\n" not in message
    with pytest.raises(ValueError, match="validation error"):
        TargetConfig(budget=text, epochs=4)


@given(st.text(max_size=30) | st.from_regex(r"(synops|energy|cores)=[-+.0-9eE]{1,8}[a-zJ]{0,2}(:.{0,9})?"))
@settings(max_examples=200)
def test_any_text_is_a_budget_or_is_refused(text):
    try:
        budget = parse_budget(text)
    except dpap.InputError as refusal:
        assert len(str(refusal)) < 400
    else:
        assert 0 < budget.limit < float("inf")
        assert parse_budget(str(budget)) == budget


@given(st.floats(1e-300, 1e300), st.sampled_from(sorted(JOULES)))
@settings(max_examples=100)
def test_units_scale_by_powers_of_ten(number, unit):
    budget = parse_budget(f"energy={number!r}{unit}:loihi1/sanafe_fit")
    assert budget.limit == pytest.approx(number * 10.0 ** JOULES[unit], rel=1e-15)
    assert parse_budget(str(budget)) == budget


def test_values_for_people():
    assert parse_budget("energy=5uJ:loihi1").written(4.5e-6) == "4.5 uJ"
    assert parse_budget("synops=5").written(123456.7) == "123,457 SynOps"
    assert parse_budget("cores=5:loihi1").written(4) == "4 cores"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"budget": "synops=5", "synops": 5.0}, "one of pruning_rate, synops and budget"),
        ({"pruning_rate": 0.5, "min_accuracy": 0.9}, "min_accuracy and max_drop need a budget"),
        ({"synops": 5.0, "max_drop": 0.1}, "min_accuracy and max_drop need a budget"),
        ({"budget": "synops=5", "min_accuracy": 1.5}, "min_accuracy"),
        ({"budget": "synops=5", "samples": 0}, "samples"),
        ({"budget": {"quantity": "cores", "limit": 2.5, "hardware": "loihi1"}}, "whole number"),
        ({"budget": {"quantity": "cores", "limit": float("inf"), "hardware": "loihi1"}}, "finite"),
    ],
)
def test_targets_that_contradict_themselves(fields, part):
    with pytest.raises(ValueError, match=part):
        TargetConfig(epochs=4, **fields)
