"""The descriptions that come with the package."""

import re

import pytest
import yaml
from handmade import loihi1_text

import deploy
from deploy.hardware import list_hardware, load_hardware
from deploy.hardware.quantity import quantities

NAMES = {
    "loihi1", "loihi2", "loihi2-scaled", "cmos45_fp32", "cmos45_int8", "cpu_i7_4960x", "gpu_titan_black",
    "arm_cortex_a", "spinnaker", "spinnaker2", "truenorth", "speck", "akida", "jetson",
}  # fmt: skip


def test_every_target_is_there():
    assert set(list_hardware()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_value_has_a_unit_an_evidence_and_a_source(name):
    target = load_hardware(name)
    values = dict(quantities(target))
    assert values
    for path, quantity in values.items():
        assert quantity.unit and quantity.source, path
        assert quantity.known == (quantity.evidence != "unknown"), path
    assert not any("clock" in path or "frequency" in path for path in values)


@pytest.mark.parametrize(
    "name, accumulate, multiply_accumulate, neuron",
    [
        # Horowitz, ISSCC 2014: an addition, and with a multiplication of 3.7 or 0.2 pJ.
        ("cmos45_fp32", 0.9e-12, 0.9e-12 + 3.7e-12, None),
        ("cmos45_int8", 0.03e-12, 0.03e-12 + 0.2e-12, None),
        # KerasSpiking, model_energy.py, ModelEnergy.devices.
        ("cpu_i7_4960x", 8.6e-9, 8.6e-9, 8.6e-9),
        ("gpu_titan_black", 0.3e-9, 0.3e-9, 0.3e-9),
        ("arm_cortex_a", 0.9e-9, 0.9e-9, 0.9e-9),
        ("spinnaker", 13.3e-9, 13.3e-9, 26e-9),
        ("spinnaker2", 450e-12, 450e-12, 2.19e-9),
        ("truenorth", 2.297e-12, None, None),
        ("loihi2", None, None, None),
        ("speck", None, None, None),
        ("akida", None, None, None),
        ("jetson", None, None, None),
    ],
)
def test_costs_of_operations(name, accumulate, multiply_accumulate, neuron):
    (costs,) = load_hardware(name).cost_sets.values()
    for quantity, expected in (
        (costs.accumulate, accumulate),
        (costs.multiply_accumulate, multiply_accumulate),
        (costs.neuron_update, neuron),
    ):
        assert (quantity.si if quantity.known else None) == pytest.approx(expected)


def test_memory_traffic_of_bare_arithmetic_is_unknown_and_said_to_be():
    for name in ("cmos45_fp32", "cmos45_int8"):
        memory = load_hardware(name).cost_sets["horowitz2014"].memory_access
        assert not memory.known and "left out" in memory.note


def test_what_is_published_of_loihi2():
    target = load_hardware("loihi2")
    structure = target.structure
    assert (structure.cores_per_chip.whole, structure.neurons_per_core.whole) == (120, 8192)
    assert structure.memory_per_core.whole == 192 * 1024
    assert structure.synapse_memory_per_core.whole == 128 * 1024
    assert (structure.weight_bits.whole, structure.graded_spike_bits.whole) == (8, 32)
    speedups = (structure.neuron_speedup, structure.synapse_speedup, structure.spike_speedup)
    assert [speedup.si for speedup in speedups] == [2, 5, 10]
    assert sorted(power.si for power in target.static_power.values()) == [0.232, 0.282]


def test_the_scaled_target_is_loihi1_with_other_times():
    scaled, loihi1, loihi2 = (load_hardware(name) for name in ("loihi2-scaled", "loihi1", "loihi2"))
    assert scaled.label == "scaled from Loihi 1, not Loihi 2"
    for part in ("structure", "synapse_format", "static_power"):
        assert scaled.model_dump()[part] == loihi1.model_dump()[part]
    ratios = {
        "synaptic_operation": loihi2.structure.synapse_speedup.si,
        "synapse": loihi2.structure.synapse_speedup.si,
        "neuron_update": loihi2.structure.neuron_speedup.si,
        "soma.access": loihi2.structure.neuron_speedup.si,
        "soma.update": loihi2.structure.neuron_speedup.si,
        "soma.spike": loihi2.structure.spike_speedup.si,
    }
    changed = 0
    for name, costs in loihi1.cost_sets.items():
        before = dict(quantities(costs))
        for path, value in quantities(scaled.cost_sets[f"{name}_scaled"]):
            if path.startswith("published_error"):
                assert not value.known
                continue
            ratio = next((r for prefix, r in ratios.items() if re.match(prefix + r"(\.|$)", path)), 1)
            expected = before[path].value
            if path.endswith(".time") and ratio != 1:
                expected, changed = expected / ratio, changed + 1
                assert value.evidence == "derived" and "Loihi 1" in value.note
            assert value.value == pytest.approx(expected), path
    # Three times of Davies et al., six of SANA-FE.
    assert changed == 9


def with_operations(data):
    data["cost_sets"]["mine"] = load_hardware("spinnaker").model_dump()["cost_sets"]["keras_spiking"]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d.pop("synapse_format"), "synapse_format is null; expected a layout of synaptic memory"),
        (lambda d: d["structure"].pop("kind"), "structure.kind is missing"),
        (with_operations, "mine.model is 'operations'; expected davies2018 or sanafe, since .* loihi1"),
        (lambda d: d.update(structure={"kind": "operations"}), "synapse_format is .* expected no such field"),
        (lambda d: d.update(label=""), "label is ''; expected text that is not empty"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path, change, words):
    data = loihi1_text()
    change(data)
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(deploy.HardwareError, match=words):
        load_hardware(path)
