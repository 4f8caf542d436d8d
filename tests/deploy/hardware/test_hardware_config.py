import copy
import math

import pytest
import yaml
from handmade import loihi1_text

import deploy
from deploy.hardware import list_hardware, load_hardware

LOIHI1 = load_hardware("loihi1")


def quantities(data, path=()):
    """Every leaf of the raw file that stands for a value, by its path."""
    if isinstance(data, dict) and "unit" in data:
        yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from quantities(value, (*path, key))


def saved(tmp_path, data):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def changed(path, value):
    data = loihi1_text()
    part = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return data


def test_every_leaf_of_loihi1_is_a_value_with_unit_evidence_and_source():
    found = dict(quantities(loihi1_text()))
    # Davies: 6 costs of two values, the barrier's energy and 2 times. SANA-FE: 10 costs of two, 4 times, 2
    # errors.
    assert len([path for path in found if path[:2] == ("cost_sets", "davies2018")]) == 15
    assert len([path for path in found if path[:2] == ("cost_sets", "sanafe_fit")]) == 26
    for path, leaf in found.items():
        assert set(leaf) <= {"value", "unit", "evidence", "source", "note"}, path
        assert leaf["source"] and (leaf["value"] is None) == (leaf["evidence"] == "unknown"), path
    assert [path for path, leaf in found.items() if leaf["value"] is None] == [
        ("cost_sets", "davies2018", "barrier", "energy")
    ]
    # There is no clock, so nothing is in hertz.
    assert not any("clock" in str(path) or "frequency" in str(path) for path in found)


@pytest.mark.parametrize(
    "path, picojoules, nanoseconds",
    [
        # Davies et al. 2018, Table 2.
        ("davies2018.synaptic_operation", 23.6, 3.5),
        ("davies2018.neuron_update.active", 81, 8.4),
        ("davies2018.neuron_update.inactive", 52, 5.3),
        ("davies2018.spike_within_tile", 1.7, 2.1),
        ("davies2018.hop_east_west", 3.0, 4.1),
        ("davies2018.hop_north_south", 4.0, 6.5),
        # SANA-FE, arch/loihi.yaml.
        ("sanafe_fit.synapse.dense", 35.5, 3.8),
        ("sanafe_fit.synapse.sparse", 33.6, 4.7),
        ("sanafe_fit.synapse.convolution", 24.0, 3.1),
        ("sanafe_fit.soma.access", 51.2, 6.0),
        ("sanafe_fit.soma.update", 21.6, 3.7),
        ("sanafe_fit.soma.spike", 69.3, 30.0),
        ("sanafe_fit.message_out", 111.0, 5.1),
        ("sanafe_fit.message_in", 0.0, 16.0),
        ("sanafe_fit.hop_east_west", 3.0, 4.1),
        ("sanafe_fit.hop_north_south", 4.2, 6.5),
    ],
)
def test_published_costs_of_loihi1(path, picojoules, nanoseconds):
    name, *fields = path.split(".")
    cost = LOIHI1.cost_sets[name]
    for field in fields:
        cost = getattr(cost, field)
    assert cost.energy.si == pytest.approx(picojoules * 1e-12, rel=1e-12)
    assert cost.time.si == pytest.approx(nanoseconds * 1e-9, rel=1e-12)
    assert {cost.energy.evidence, cost.time.evidence} == {"sim" if name == "davies2018" else "fit"}


def test_structure_and_static_power_of_loihi1():
    structure = LOIHI1.structure
    assert (structure.cores_per_chip.whole, structure.cores_per_tile.whole) == (128, 4)
    assert (structure.mesh_width.whole, structure.mesh_height.whole) == (8, 4)
    assert structure.tiles_per_chip == 32
    assert structure.synapse_words_per_core.whole * LOIHI1.synapse_format.word_bits.whole == 2**20
    assert {name: power.si for name, power in LOIHI1.static_power.items()} == {
        "frady2020": 0.1044,
        "blouw2019": 0.029,
    }
    fit = LOIHI1.cost_sets["sanafe_fit"]
    assert (fit.energy_error, fit.time_error) == pytest.approx((0.117, 0.243), rel=1e-12)


def test_names_and_paths(tmp_path):
    assert "loihi1" in list_hardware()
    assert [load_hardware(name).name for name in list_hardware()] == list(list_hardware())
    own = saved(tmp_path, changed(("name",), "mine"))
    assert load_hardware(own).name == load_hardware(str(own)).name == "mine"


@pytest.mark.parametrize(
    "name, words",
    [
        ("loihi3", ["hardware 'loihi3' is not known", "loihi1"]),
        ("nowhere/loihi1.yaml", ["nowhere/loihi1.yaml", "cannot be read", "No such file"]),
        ("./loihi1", ["./loihi1", "cannot be read"]),
        ("", ["hardware ''", "loihi1"]),
    ],
)
def test_unknown_names_and_paths_are_refused(name, words):
    with pytest.raises(deploy.HardwareError) as error:
        load_hardware(name)
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words)


ENERGY = ("cost_sets", "sanafe_fit", "message_out", "energy")


@pytest.mark.parametrize(
    "path, value, words",
    [
        ((*ENERGY, "value"), -1, ["cost_sets.sanafe_fit.message_out.energy.value is -1", "not negative"]),
        ((*ENERGY, "value"), math.nan, ["message_out.energy.value is nan", "finite"]),
        ((*ENERGY, "value"), math.inf, ["message_out.energy.value is inf", "finite"]),
        ((*ENERGY, "value"), "111", ["message_out.energy.value is '111'", "a number"]),
        ((*ENERGY, "value"), True, ["message_out.energy.value is True", "a number"]),
        ((*ENERGY, "value"), None, ["message_out.energy.value is null", "evidence is fit"]),
        ((*ENERGY, "evidence"), "unknown", ["message_out.energy.value is 111.0", "expected null"]),
        ((*ENERGY, "evidence"), "guess", ["message_out.energy.evidence is 'guess'", "'sim'", "'fit'"]),
        ((*ENERGY, "unit"), "kWh", ["message_out.energy.unit is 'kWh'", "'pJ'"]),
        ((*ENERGY, "unit"), "ns", ["message_out.energy.unit is 'ns'", "a unit of energy", "pJ"]),
        ((*ENERGY, "source"), "", ["message_out.energy.source is ''", "not empty"]),
        ((*ENERGY, "comment"), "?", ["message_out.energy.comment is '?'", "no such field"]),
        (ENERGY, 111.0, ["message_out.energy is 111.0", "a mapping of fields"]),
        (("structure", "neurons_per_core", "value"), 10.5, ["core.value is 10.5", "a whole number"]),
        (("structure", "cores_per_tile", "value"), 0, ["cores_per_tile.value is 0", "at least 1"]),
        (("structure", "mesh_width", "value"), 7, ["mesh_width.value is 7", "32 tiles", "in 7 x 4"]),
        (("structure", "kind"), "loihi9", ["structure.kind is 'loihi9'", "'loihi1'"]),
        (("cost_sets", "davies2018", "model"), "other", ["davies2018.model is 'other'", "'sanafe'"]),
        (("cost_sets", "sanafe_fit", "sync"), {}, ["cost_sets.sanafe_fit.sync is {}", "at least one entry"]),
        (("cost_sets", "sanafe_fit", "sync", "3"), {}, ["sanafe_fit.sync.3 is '3'", "a whole number"]),
        (("cost_sets", "sanafe_fit"), 3, ["cost_sets.sanafe_fit is 3", "a mapping of fields"]),
        (("cost_sets",), {}, ["cost_sets is {}", "at least one entry"]),
        (("synapse_format", "index_bits_max", "value"), 9, ["index_bits_max.value is 9", "1024 neurons"]),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_by_field_and_value(tmp_path, path, value, words):
    own = saved(tmp_path, changed(path, value))
    with pytest.raises(deploy.HardwareError) as error:
        load_hardware(own)
    message = str(error.value)
    assert "\n" not in message and message.startswith(f"{own}: ")
    assert all(word in message for word in words), message


def test_missing_fields_are_named(tmp_path):
    data = loihi1_text()
    del data["cost_sets"]["sanafe_fit"]["soma"]["spike"]["time"]["source"]
    with pytest.raises(
        deploy.HardwareError, match=r"cost_sets\.sanafe_fit\.soma\.spike\.time\.source is missing"
    ):
        load_hardware(saved(tmp_path, data))
    data = loihi1_text()
    del data["cost_sets"]["sanafe_fit"]["model"]
    with pytest.raises(deploy.HardwareError, match=r"cost_sets\.sanafe_fit\.model is missing"):
        load_hardware(saved(tmp_path, data))
    data = loihi1_text()
    sync = data["cost_sets"]["sanafe_fit"]["sync"]
    del sync[1]
    with pytest.raises(deploy.HardwareError, match=r"sanafe_fit\.sync is .*from 1 tile on"):
        load_hardware(saved(tmp_path, data))


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the file is null; expected a mapping of fields"),
        (b"- 1\n- 2\n", r"the file is \[1, 2\]; expected a mapping of fields"),
        (b"name: [", "is not YAML"),
        (b"name: a\ntitle: b\nname: c\n", r"'name' appears twice in a mapping, again in line 3"),
        (b"\xff\xfe\x00", "is not YAML: 'utf-8' codec"),
        (b"!!python/object/apply:os.system ['false']", "is not YAML"),
        (b"&a [*a]", "an anchor of a list or a mapping in line 1"),
        (b"? [1]\n: 2\n", "is not YAML"),
    ],
)
def test_what_is_no_description_is_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(deploy.HardwareError, match=words) as error:
        load_hardware(path)
    assert "\n" not in str(error.value)


def test_a_file_that_multiplies_itself_is_refused_quickly(tmp_path):
    # Nine levels of nine references: printed in full this would be gigabytes.
    levels = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for last, name in zip("abcdefgh", "bcdefghi", strict=True):
        levels.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(levels))
    with pytest.raises(deploy.HardwareError) as error:
        load_hardware(path)
    assert len(str(error.value)) < 1000


def test_an_unknown_value_says_its_name_when_it_is_needed():
    barrier = LOIHI1.cost_sets["davies2018"].barrier.energy
    assert not barrier.known
    with pytest.raises(
        deploy.HardwareError, match=r"loihi1\.cost_sets\.davies2018\.barrier\.energy is unknown"
    ):
        _ = barrier.si


def test_a_description_cannot_be_changed():
    with pytest.raises(ValueError):
        LOIHI1.structure.neurons_per_core.value = 1
    assert copy.deepcopy(LOIHI1) == LOIHI1
