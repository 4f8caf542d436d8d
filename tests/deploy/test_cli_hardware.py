import json

import numpy as np
import pytest
from factories import firing_network
from test_cli import fails_with_one_line, run

import deploy
from deploy.hardware import list_hardware


@pytest.fixture
def model(tmp_path):
    network = firing_network("4C3-AP2-12FC-10FC", (1, 8, 8), 4, input_max=16)
    deploy.compile(network).save(tmp_path / "model.h5")
    return tmp_path / "model.h5"


def test_list_names_every_target(capsys):
    status, out, _ = run(capsys, "hardware", "list", "--json")
    listed = json.loads(out)["hardware"]
    assert status == 0 and [target["name"] for target in listed] == list(list_hardware())
    status, out, _ = run(capsys, "hardware", "list")
    assert status == 0 and "loihi2-scaled" in out and "davies2018" in out


def test_show_has_every_value_with_its_source(capsys):
    status, out, _ = run(capsys, "hardware", "show", "loihi1", "--json")
    values = json.loads(out)["values"]
    assert status == 0
    assert values["cost_sets.davies2018.synaptic_operation.energy"] == {
        "value": 23.6,
        "unit": "pJ",
        "evidence": "sim",
        "source": "Davies et al., IEEE Micro 38(1), 2018, Table 2 (0.75 V)",
        "note": "stated as a minimum",
    }
    assert values["cost_sets.davies2018.barrier.energy"]["value"] is None
    status, out, _ = run(capsys, "hardware", "show", "cmos45_int8")
    assert status == 0 and "Horowitz" in out and "unknown" in out and "0.23" in out


def test_show_refuses_an_unknown_target(capsys):
    fails_with_one_line(run(capsys, "hardware", "show", "loihi9"), 2, "'loihi9' is not known", "loihi1")


def test_check_accepts_a_file_and_names_what_is_unknown(capsys, tmp_path):
    from importlib.resources import files

    own = tmp_path / "mine"
    own.write_text((files("hardware_configs") / "loihi1.yaml").read_text())
    status, out, _ = run(capsys, "hardware", "check", own, "--json")
    result = json.loads(out)
    assert status == 0 and result["valid"] and result["name"] == "loihi1"
    assert result["unknown"] == ["cost_sets.davies2018.barrier.energy"]
    status, out, _ = run(capsys, "hardware", "check", own)
    assert status == 0 and "a valid description of loihi1" in out and "barrier.energy" in out
    own.write_text(own.read_text().replace("value: 23.6", "value: -23.6"))
    fails_with_one_line(
        run(capsys, "hardware", "check", own),
        2,
        "cost_sets.davies2018.synaptic_operation.energy.value is -23.6",
        "not negative",
    )


def test_check_refuses_a_missing_file(capsys):
    fails_with_one_line(run(capsys, "hardware", "check", "/nowhere.yaml"), 2, "/nowhere.yaml", "No such file")


def test_estimate_of_several_targets(capsys, model):
    names = "loihi1,loihi2-scaled,spinnaker2"
    status, out, _ = run(capsys, "estimate", model, "--samples", 3, "--hardware", names, "--json")
    result = json.loads(out)
    assert status == 0
    assert [one["hardware"] for one in result["estimates"]] == names.split(",")
    loihi1, scaled, spinnaker = result["estimates"]
    assert list(loihi1["cost_sets"]) == ["davies2018", "sanafe_fit"] and loihi1["samples"] == 3
    assert scaled["label"] == "scaled from Loihi 1, not Loihi 2" and spinnaker["cores"] is None
    low, high = loihi1["energy_interval"]
    energies = [costs["dynamic_energy"] for costs in loihi1["cost_sets"].values()]
    assert (low, high) == (min(energies), max(energies))


def test_estimate_prints_a_table_with_what_is_unknown(capsys, model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    options = ("--samples", 2, "--hardware", "loihi1, cmos45_fp32,loihi2", "--unknown", "bound")
    status, out, _ = run(capsys, "estimate", model, *options)
    assert status == 0
    for words in ("at least", "unknown", "accounts side by side", "loihi2: ", "not verified", "packets"):
        assert words in out


def test_estimate_by_one_cost_set(capsys, model):
    options = ("--samples", 2, "--cost-set", "sanafe_fit", "--json")
    status, out, _ = run(capsys, "estimate", model, *options)
    assert status == 0 and list(json.loads(out)["estimates"][0]["cost_sets"]) == ["sanafe_fit"]


@pytest.mark.parametrize(
    "options, parts",
    [
        (("--hardware", "loihi7"), ["'loihi7' is not known"]),
        (("--hardware", "loihi1,"), ["hardware ''"]),
        (("--hardware", "loihi2"), ["cost_sets.unpublished.accumulate is unknown", "bound"]),
        (("--cost-set", "mine"), ["loihi1 has no cost set 'mine'", "sanafe_fit"]),
        (("--unknown", "guess"), ["unknown is 'guess'", "refuse, bound"]),
        (("--active", "never"), ["active is 'never'", "spiking"]),
        (("--data", "nothing"), ["data 'nothing'"]),
    ],
)
def test_estimate_refuses_wrong_options(capsys, model, options, parts):
    fails_with_one_line(run(capsys, "estimate", model, "--samples", 2, *options), 2, *parts)


def test_estimate_of_inputs_of_a_file(capsys, model, tmp_path):
    np.save(tmp_path / "inputs.npy", np.zeros((2, 4, 1, 8, 8), np.uint8))
    status, out, _ = run(capsys, "estimate", model, "--data", tmp_path / "inputs.npy", "--json")
    assert status == 0 and json.loads(out)["estimates"][0]["samples"] == 2
