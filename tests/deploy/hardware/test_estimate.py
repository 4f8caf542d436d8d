import json

import numpy as np
import pytest
import yaml
from factories import firing_network, halved, random_inputs
from handmade import dense, graph, loihi1_text, pulses, recording, small_chip

import deploy
from deploy.hardware import estimate, load_hardware
from deploy.ir import INPUT


def by_hand(samples=1):
    """Two layers of 2 and 18 neurons, for a chip of one neuron a core; all about them is counted below.

    a lies on cores 0 and 1, b on cores 2 to 19; a0 has a synapse on b14, and a1 on b0, b10 and b17. In each
    sample: step 0: the input is 3, a0 and a1 spike, b14 spikes; step 1: the input is 0, a1 spikes.
    """
    weight = np.zeros((18, 2), int)
    weight[14, 0] = weight[[0, 10, 17], 1] = 2
    network = graph((1,), [dense("a", INPUT, [[2], [2]]), dense("b", "a", weight)], 2, input_max=4)
    b = np.zeros((1, 2, 18))
    b[0, 0, 14] = 1
    one = {"inputs": pulses([3], [0]), "a": pulses([1, 1], [0, 1]), "b": b}
    run = recording(network, **{name: np.repeat(values, samples, axis=0) for name, values in one.items()})
    return deploy.measure(network, run)


@pytest.mark.parametrize("samples", [1, 3])
def test_sanafe_by_hand(tmp_path, samples):
    result = estimate(by_hand(samples), small_chip(tmp_path, neurons_per_core=1))
    assert (result.hardware, result.samples) == ("loihi1", samples)
    assert (result.cores, result.tiles, result.chips, result.fits) == (20, 5, 1, True)
    fit = result.cost_sets["sanafe_fit"]
    # Synapses: the input of 3 reaches two neurons, 6 dense events; a0 1 and a1 2 * 3, 7 sparse events.
    # Neurons: 20 of them twice. With input: both of a in step 0; of b 4 in step 0, 3 in step 1. Spikes: 3 and
    # 1. Packets: 1 of a0, 2 * 3 of a1 sent; 6 of the input on top received. Hops: a0 to tile 4 at (1, 0), 1
    # east; a1 to tile 0, to tile 3 at (0, 3) and to tile 4, twice: 2 east and 6 south.
    counts = [6, 7, 0, 40, 9, 4, 7, 13, 3, 6]
    pico = [6 * 35.5, 7 * 33.6, 0, 40 * 51.2, 9 * 21.6, 4 * 69.3, 7 * 111.0, 0, 3 * 3.0, 6 * 4.2]
    assert [part.count for part in fit.parts] == counts
    assert [part.value * 1e12 for part in fit.parts] == pytest.approx(pico)
    assert fit.dynamic_energy * 1e12 == pytest.approx(3779.0)
    assert result.energy["sanafe_fit"] == fit.dynamic_energy
    assert result.latency["sanafe_fit"] == fit.time
    assert set(result.energy) == set(result.latency) == {"davies2018", "sanafe_fit"}
    assert {
        layer: {kind: energy * 1e12 for kind, energy in of.items()} for layer, of in fit.layers.items()
    } == {
        "a": pytest.approx({"synapses": 213.0, "neurons": 4 * 51.2 + 2 * 21.6 + 3 * 69.3}),
        "b": pytest.approx({"synapses": 235.2, "neurons": 36 * 51.2 + 7 * 21.6 + 1 * 69.3}),
    }
    # 5 tiles synchronise in 1400 ns. Step 0: a0 and a1 receive 3 packets and events each, 3 * (16 + 3.8) =
    # 59.4, and on the side of neurons a1 is the slower, 6 + 3.7 + 30 + 3 * 5.1 = 55. Step 1: a1, 6 + 30 +
    # 15.3 = 51.3.
    assert fit.time * 1e9 == pytest.approx(1459.4 + 1451.3)
    assert fit.time_per_step * 1e9 == pytest.approx((1459.4 + 1451.3) / 2)
    assert (fit.energy_error, fit.time_error) == pytest.approx((0.117, 0.243))
    assert fit.static_energy == pytest.approx(
        {"frady2020": 0.1044 * 2910.7e-9, "blouw2019": 0.029 * 2910.7e-9}
    )


@pytest.mark.parametrize(
    "active, updates",
    [("input", 9 * 81 + 31 * 52), ("spiking", 4 * 81 + 36 * 52), ("all", 40 * 81)],
)
def test_davies_by_hand(tmp_path, active, updates):
    result = estimate(by_hand(), small_chip(tmp_path, neurons_per_core=1), active=active)
    davies = result.cost_sets["davies2018"]
    # 13 synaptic operations, 13 packets, 3 and 6 hops; counts as above.
    total = 13 * 23.6 + updates + 13 * 1.7 + 3 * 3.0 + 6 * 4.0
    assert davies.dynamic_energy * 1e12 == pytest.approx(total)
    assert davies.parts[-1].value is None and davies.parts[-1].count == 2
    # Barrier of 5 tiles: 113 + 4 * 352 / 31. Core of a0: 3 operations and an update with input in step 0; in
    # step 1 the slowest core is b0's, one operation and an update with input, unless all updates take the
    # same.
    barrier = 113 + 4 * 352 / 31
    busy = {"input": 10.5 + 8.4 + 3.5 + 8.4, "spiking": 10.5 + 8.4 + 3.5 + 5.3, "all": 10.5 + 8.4 + 3.5 + 8.4}
    assert davies.time * 1e9 == pytest.approx(2 * barrier + busy[active])
    # a1 spikes in step 1 without an operation, 8.4, which is less than b0's 8.8.
    assert davies.static_energy["blouw2019"] == pytest.approx(0.029 * davies.time)


def test_every_set_says_what_it_takes_for_granted(tmp_path):
    result = estimate(by_hand(), small_chip(tmp_path, neurons_per_core=1))
    for costs in result.cost_sets.values():
        text = " ".join(costs.assumptions)
        assert "receive 6 packets an inference" in text and "is not priced" in text
        assert "no graded spikes" in text
        assert "frady2020: 104.4 mW" in text and "blouw2019: 29 mW" in text
    assert "leaves out barriers (2 an inference)" in " ".join(result.cost_sets["davies2018"].assumptions)
    assert "11.7%" in " ".join(result.cost_sets["sanafe_fit"].assumptions)


def test_json_holds_all_of_it(tmp_path):
    result = estimate(by_hand(), small_chip(tmp_path, neurons_per_core=1))
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data == result.to_dict()
    assert data["mapping"]["a"] == {
        "encoding": "dense",
        "neurons": 2,
        "cores": 2,
        "first_core": 0,
        "limited_by": "neurons",
        "usage": {"neurons": 1, "synapse memory": 64, "input axons": 1, "output axons": 3},
        "utilisation": {
            "neurons": 1.0,
            "synapse memory": 64 / 2**20,
            "input axons": 1 / 4096,
            "output axons": 3 / 4096,
        },
        "fits": True,
    }
    assert data["cost_sets"]["davies2018"]["parts"][-1]["value"] is None
    assert data["cost_sets"]["sanafe_fit"]["dynamic_energy"] == pytest.approx(3779.0e-12)


def measured(notation="8C3-AP2-16C3-AP2-32FC-10FC", shape=(1, 8, 8), input_max=16, samples=6):
    network = halved(firing_network(notation, shape, 4, input_max=input_max))
    compiled = deploy.compile(network)
    return deploy.measure(compiled, deploy.run(compiled, random_inputs(network, samples)))


def test_a_compiled_network_on_loihi1():
    measurement = measured()
    result = estimate(measurement)
    assert result.hardware == "loihi1" and list(result.mapping) == list(measurement.layers)
    for costs in result.cost_sets.values():
        parts = {part.name: part for part in costs.parts}
        synops = sum(part.count for name, part in parts.items() if name.startswith("synaptic"))
        assert synops * 6 == pytest.approx(measurement.total("synops_effective_unary"))
        updates = measurement.total("neuron_updates") / 6
        if costs.name == "sanafe_fit":
            assert parts["neuron accesses"].count == pytest.approx(updates)
            assert parts["spikes"].count * 6 == pytest.approx(measurement.total("spikes"))
        else:
            assert parts["neuron updates, active"].count + parts[
                "neuron updates, inactive"
            ].count == pytest.approx(updates)
        known = [part.value for part in costs.parts if part.value is not None]
        assert costs.dynamic_energy == pytest.approx(sum(known))
        # What belongs to layers is all but the network's parts.
        network = [
            p.value or 0 for p in costs.parts if "hops" in p.name or "packets" in p.name or "tile" in p.name
        ]
        layers = sum(sum(of.values()) for of in costs.layers.values())
        assert layers == pytest.approx(costs.dynamic_energy - sum(network))
        assert costs.time_per_step * 4 == pytest.approx(costs.time)
    assert result.mapping["conv1"].encoding == "convolution"


def test_binary_inputs_need_no_word_on_graded_ones():
    result = estimate(measured("20FC-10FC", (12,), 1))
    assert not any("graded" in text for text in result.cost_sets["sanafe_fit"].assumptions)


def test_what_does_not_fit_is_said(tmp_path):
    chip = small_chip(tmp_path, input_axons_per_core=8)
    network = graph((10,), [dense("fc", INPUT, np.full((4, 10), 2))])
    run = recording(network, np.ones((1, 1, 10), int), fc=np.zeros((1, 1, 4)))
    result = estimate(deploy.measure(network, run), chip)
    assert not result.fits
    for costs in result.cost_sets.values():
        assert any("fc does not fit: a core needs 10 input axons, 1.25 times" in s for s in costs.assumptions)


def test_over_several_chips_time_is_unknown_and_links_are_not_priced(tmp_path):
    chip = small_chip(tmp_path, neurons_per_core=1)
    network = graph((1,), [dense("a", INPUT, [[2]]), dense("b", "a", np.full((128, 1), 2))])
    run = recording(network, pulses([1]), a=pulses([1]), b=np.zeros((1, 1, 128)))
    result = estimate(deploy.measure(network, run), chip)
    assert (result.cores, result.chips) == (129, 2)
    for costs in result.cost_sets.values():
        assert costs.time is None and costs.time_per_step is None
        assert costs.static_energy == {"frady2020": None, "blouw2019": None}
        assert any("1 packets an inference that pass between them" in text for text in costs.assumptions)
    # Packets to all 128 cores are paid, the hops of 127 of them.
    parts = {part.name: part.count for part in result.cost_sets["sanafe_fit"].parts}
    assert parts["packets sent"] == 128


def own(tmp_path, **changes):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(loihi1_text(**changes)))
    return load_hardware(path)


UNKNOWN = {"value": None, "evidence": "unknown", "source": "no source"}


def test_an_unknown_cost_that_is_needed_refuses_and_is_named(tmp_path):
    chip = own(tmp_path, cost_sets__sanafe_fit__message_out__energy=UNKNOWN | {"unit": "pJ"})
    with pytest.raises(
        deploy.HardwareError, match=r"sanafe_fit\.message_out\.energy is unknown \(no source\), and this"
    ):
        estimate(by_hand(), chip)


def test_an_unknown_cost_that_is_not_needed_does_not_matter(tmp_path):
    # No layer of the network is a convolution.
    chip = own(tmp_path, cost_sets__sanafe_fit__synapse__convolution__energy=UNKNOWN | {"unit": "pJ"})
    result, reference = estimate(by_hand(), chip), estimate(by_hand())
    fit = result.cost_sets["sanafe_fit"]
    assert fit.dynamic_energy == reference.cost_sets["sanafe_fit"].dynamic_energy
    assert {part.name: part.value for part in fit.parts}["synaptic events, convolution"] is None


def test_an_unknown_static_power_has_no_energy(tmp_path):
    chip = own(tmp_path, static_power__frady2020=UNKNOWN | {"unit": "mW"})
    fit = estimate(by_hand(), chip).cost_sets["sanafe_fit"]
    assert fit.static_energy["frady2020"] is None and fit.static_energy["blouw2019"] > 0
    assert "Static power frady2020 is not published (no source)." in fit.assumptions


def test_wrong_arguments_are_refused():
    with pytest.raises(deploy.HardwareError, match="hardware 'loihi7' is not known"):
        estimate(by_hand(), "loihi7")
    with pytest.raises(ValueError, match="active is 'sometimes'; use one of input, spiking, all"):
        estimate(by_hand(), active="sometimes")
    with pytest.raises(ValueError, match="0 samples"):
        estimate(by_hand(0))


def test_stored_zeros_are_synaptic_events():
    # 128 neurons receive 784 inputs, and a sixteenth of the weights is zero: one core if they are stored, two
    # if not. Each of 784 input spikes is then 128 synaptic events, zeros included.
    weight = np.full((128, 784), 2)
    weight[::16] = 0
    weight[::16, 0] = 2
    network = graph((784,), [dense("fc", INPUT, weight)])
    run = recording(network, inputs=np.ones((1, 1, 784)), fc=np.zeros((1, 1, 128)))
    result = estimate(deploy.measure(network, run))
    parts = {part.name: part.count for part in result.cost_sets["sanafe_fit"].parts}
    assert result.cores == 1
    assert parts["synaptic events, dense"] == 784 * 128
    assert parts["synaptic events, sparse"] == 0
