import pytest
from pydantic import BaseModel

import dpap
from dpap.errors.known_names import nearest, suggestion
from dpap.training.run_config import make_run_config

NAMES = ("learning_rate", "batch_size", "epochs", "loihi2-scaled", "MNIST", "schedule")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lr", "learning_rate"),
        ("bs", "batch_size"),
        ("epoch", "epochs"),
        ("Learning-Rate", "learning_rate"),
        ("loihi2_scaled", "loihi2-scaled"),
        ("minst", "MNIST"),
        ("zzz", None),
        ("", None),
        # One letter is the initial of too many.
        ("s", None),
    ],
)
def test_the_name_that_was_meant(name, meant):
    assert nearest(name, NAMES) == meant
    assert suggestion(name, NAMES, "a.") == ("" if meant is None else f"; did you mean {'a.' + meant!r}?")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"training": {"lr": 1}}, "training.lr is not a field; did you mean 'training.learning_rate'?"),
        ({"data": {"augmentation": {"rotat": 3}}}, "did you mean 'data.augmentation.rotation'?"),
        ({"network": {"neuron": {"volt_decay": 1}}}, "did you mean 'network.neuron.voltage_decay'?"),
        ({"metod": "dpap"}, "metod is not a field; did you mean 'method'?"),
        ({"method": "sdsn"}, "did you mean 'sdsnn'?"),
        ({"data": {"name": "minst"}}, "did you mean 'mnist'?"),
    ],
)
def test_fields_and_names_of_a_configuration(fields, said):
    with pytest.raises(dpap.InputError) as raised:
        make_run_config(fields)
    assert said in str(raised.value)


def test_all_that_is_wrong_is_said_up_to_five():
    wrong = {"epochs": 0, "batch_size": 0, "learning_rate": -1, "momentum": 2, "warm_up": -1}
    with pytest.raises(dpap.InputError) as raised:
        make_run_config({"training": wrong, "speed": 1, "faster": 2})
    message = str(raised.value)
    for name in ("training.epochs is 0", "training.batch_size is 0", "training.learning_rate is -1"):
        assert name in message
    assert message.endswith("(and 2 more)")
    assert message.count(";") == 4 + 5  # between five, and within each


@pytest.mark.parametrize("token", ["16c3", "16C3S2P1", "ap2", "avgpool2", "10fc", "10rfc", "bn", "delay3"])
def test_tokens_in_other_letters(token):
    with pytest.raises(dpap.NetworkError) as raised:
        dpap.networks.build(f"{token}-10FC", (1, 8, 8), 4)
    meant = str(raised.value).rpartition("did you mean '")[2].removesuffix("'?")
    assert meant.lower() == token.lower() and meant != token


@pytest.mark.parametrize(
    ("value", "kind"),
    [("rate", "rate"), ("latency", "latency"), ({"kind": "direct", "input_max": 3}, "direct")],
)
def test_a_kind_s_name_stands_for_it(value, kind):
    assert make_run_config({"data": {"encoder": value}}).data.encoder.kind == kind


def test_a_neuron_by_its_name_or_its_fields():
    assert isinstance(
        make_run_config({"network": {"neuron": "relu"}, "data": {"time_steps": 1}}).network.neuron, BaseModel
    )
    assert (
        make_run_config({"network": {"neuron": {"voltage_decay": 0.5}}}).network.neuron.voltage_decay == 0.5
    )
