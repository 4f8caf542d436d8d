import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from handmade import dense, graph, pulses, recording

import deploy
from deploy.hardware import estimate, load_hardware
from deploy.ir import INPUT
from deploy.measurement.measurement import from_input


def measured(input_max=1):
    """Three inputs to two neurons to one, two steps; 4 synapses of 6, then 2 of 2.

    Input spikes: 0 and 2, then 1: inputs 0 and 1 have 2 synapses each, 2 has none: 4 operations. The neurons
    spike once and twice: 3 operations. Updates: 3 neurons, 2 steps.
    """
    network = graph(
        (3,), [dense("a", INPUT, [[2, 2, 0], [2, 2, 0]]), dense("b", "a", [[2, 2]])], 2, input_max=input_max
    )
    spikes = {"a": pulses([1, 1], [0, 1]), "b": pulses([0], [1])}
    run = recording(network, input_max * pulses([1, 0, 1], [0, 1, 0]), **spikes)
    return deploy.measure(network, run)


def priced(name, measurement=None, **options):
    result = estimate(measurement or measured(), name, **options)
    (costs,) = result.cost_sets.values()
    return result, costs


def test_spikes_on_spinnaker2_by_hand():
    result, costs = priced("spinnaker2")
    # 7 operations of 450 pJ, 6 updates of 2190 pJ.
    assert [part.count for part in costs.parts] == [7, 0, 6]
    assert costs.dynamic_energy * 1e12 == pytest.approx(7 * 450 + 6 * 2190)
    assert {name: value * 1e12 for name, value in costs.by_kind.items()} == pytest.approx(
        {"synapses": 3150, "neurons": 13140}
    )
    assert costs.energy_per_step == pytest.approx(costs.dynamic_energy / 2)
    assert {name: of["neurons"] * 1e12 for name, of in costs.layers.items()} == pytest.approx(
        {"a": 4 * 2190, "b": 2 * 2190}
    )
    assert (result.cores, result.chips, result.mapping, result.core_range) == (None, None, {}, None)
    assert costs.time is None and not costs.is_lower_bound


def test_a_graded_spike_is_one_multiplication():
    _, costs = priced("cmos45_int8", measured(input_max=4), unknown="bound")
    parts = {part.name: part for part in costs.parts}
    assert parts["multiplications and accumulations"].count == 4
    assert parts["accumulations"].count == 3
    assert costs.by_kind["synapses"] * 1e12 == pytest.approx(4 * 0.23 + 3 * 0.03)


def test_only_what_the_input_brings_is_graded_where_a_layer_has_other_sources():
    # c receives the input as a does, and its own spikes: 4 synapses more. Its two spikes of the first step
    # arrive in the second, at 2 synapses each: 4 accumulations beside the 4 multiplications of the input.
    whole = measured(input_max=4).recording
    a, b = whole.graph.layers
    c = dense("a", "a", [[2, 2], [2, 2]])
    network = replace(whole.graph, layers=(replace(a, inputs=(*a.inputs, *c.inputs)), b))
    measurement = deploy.measure(network, replace(whole, graph=network))
    assert from_input(measurement, "a") == (3, 4) and from_input(measurement, "b") == (0, 0)
    assert (measurement["a"].events_in, measurement["a"].synops_effective) == (5, 8)
    parts = {part.name: part for part in priced("cmos45_int8", measurement, unknown="bound")[1].parts}
    assert parts["multiplications and accumulations"].count == 4
    assert parts["accumulations"].count == 4 + 3
    # Messages are the spikes of the input and of both layers, however they are received.
    messages = priced("loihi2", measurement, unknown="bound")[1].parts
    assert {part.name: part.count for part in messages}["messages"] == 3 + 4


def test_a_processor_computes_every_synapse_there_was_once():
    # 6 + 2 synapses and 3 neurons, whatever spikes and whatever was pruned: 11 operations of 8.6 nJ.
    _, costs = priced("cpu_i7_4960x")
    assert [part.count for part in costs.parts] == [0, 8, 3]
    assert costs.dynamic_energy * 1e9 == pytest.approx(11 * 8.6)


def test_unknown_costs_are_refused_or_left_out_as_asked():
    with pytest.raises(deploy.HardwareError, match=r"horowitz2014\.neuron_update is unknown"):
        priced("cmos45_fp32")
    _, costs = priced("cmos45_fp32", unknown="bound")
    assert costs.is_lower_bound
    assert costs.unknown_parts == ("neuron updates", "memory accesses")
    assert costs.dynamic_energy * 1e12 == pytest.approx(7 * 0.9)
    assert costs.by_kind == {"synapses": pytest.approx(6.3e-12), "neurons": None, "memory": None}
    assert any("leaves out memory accesses (7 an inference)" in text for text in costs.assumptions)


@pytest.mark.parametrize("name", ["loihi2", "speck", "akida", "jetson"])
def test_where_nothing_is_known_there_is_no_energy(name):
    with pytest.raises(deploy.HardwareError, match="is unknown"):
        priced(name)
    result, costs = priced(name, unknown="bound")
    assert costs.dynamic_energy is None and costs.energy_per_step is None and costs.time is None
    assert result.energy_interval is None and result.latency_interval is None
    assert (result.core_range is not None) == (name == "loihi2")
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()


def test_static_power_needs_a_time(tmp_path):
    data = load_hardware("truenorth").model_dump(exclude_none=False)
    data.pop("label"), data.pop("synapse_format")
    costs = data["cost_sets"]["marginal"]
    costs.pop("memory_access"), costs.pop("message")
    own = tmp_path / "own.yaml"
    costs["step"] |= {"value": 1, "evidence": "arch"}
    own.write_text(yaml.safe_dump(data))
    _, costs = priced(own, unknown="bound")
    # Two steps of 1 ms at 42 mW.
    assert costs.static_energy == {"merolla2014": pytest.approx(84e-6)}
    _, costs = priced("truenorth", unknown="bound")
    assert costs.static_energy == {"merolla2014": None}


def test_every_number_of_the_scaled_target_is_labelled():
    result = estimate(measured(), "loihi2-scaled")
    assert result.label == "scaled from Loihi 1, not Loihi 2"
    for costs in result.cost_sets.values():
        assert "Every number is scaled from Loihi 1, not Loihi 2." in costs.assumptions
        assert costs.energy_error is None and costs.time_error is None
    loihi1 = estimate(measured(), "loihi1")
    assert list(result.energy.values()) == list(loihi1.energy.values())
    assert all(a < b for a, b in zip(result.latency.values(), loihi1.latency.values(), strict=True))


def test_the_interval_spans_the_cost_sets():
    result = estimate(measured(), "loihi1")
    assert result.energy_interval == (min(result.energy.values()), max(result.energy.values()))
    assert result.latency_interval == (min(result.latency.values()), max(result.latency.values()))
    one = estimate(measured(), "loihi1", cost_set="sanafe_fit")
    assert list(one.cost_sets) == ["sanafe_fit"]
    assert one.energy["sanafe_fit"] == result.energy["sanafe_fit"]
    with pytest.raises(deploy.HardwareError, match="loihi1 has no cost set 'both'; use one of davies2018"):
        estimate(measured(), "loihi1", cost_set="both")


@pytest.mark.parametrize("option", [{"unknown": "guess"}, {"oversized": "shrink"}])
def test_unknown_options_are_refused(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f"{name} is '{value}'; use one of"):
        estimate(measured(), "loihi1", **option)


def test_parts_of_loihi1_by_kind():
    for costs in estimate(measured(), "loihi1").cost_sets.values():
        for kind, total in costs.by_kind.items():
            parts = [part.value for part in costs.parts if part.kind == kind]
            assert total == (None if None in parts else pytest.approx(np.sum(parts)))
    davies, sanafe = estimate(measured(), "loihi1").cost_sets.values()
    assert davies.is_lower_bound and davies.unknown_parts == ("barriers",)
    assert davies.by_kind["synchronisation"] is None
    assert not sanafe.is_lower_bound
