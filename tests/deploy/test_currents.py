"""What is known of currents of a graph: bounds by hand, what rests on samples, and where one overflows."""

import json

import h5py
import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs

import deploy
import dpap
from deploy.formats.seal import seal
from deploy.ir.currents import CurrentRange, current_ranges, locate_overflow, signed_bounds

STILL = dpap.LIF(current_decay=0.0, voltage_decay=0.5)


def one_layer(weight, neuron=STILL, steps=8, **options):
    """A network of one layer with these weights, inputs up to 255."""
    weight = torch.tensor(weight)
    options = {"input_max": 255} | options
    network = dpap.networks.build(f"{len(weight)}FC", (weight.shape[1],), steps, neuron=neuron, **options)
    network.layers["fc1"].weight.data = weight
    return network.eval()


def calibrated():
    network = one_layer([[1.0, -1.0, 1.0, -1.0], [0.5, 0.25, 0.0, 0.0]])
    return dpap.calibrate(network, np.array([[100, 0, 0, 0]]))


def test_a_bound_by_hand():
    # Weights 254 and -127 (that is 126 or 128) at decay 1: one step alone counts.
    network = one_layer([[1.0, -0.5, 0.25]], neuron=dpap.LIF(), input_max=3)
    graph = deploy.compile(network)
    weight = graph["fc1"].inputs[0].connection.matrix.toarray()[0]
    positive, negative = signed_bounds(graph, graph["fc1"])
    assert positive.tolist() == [3 * (254 + weight[2])]
    assert negative.tolist() == [3 * -weight[1]]
    known = current_ranges(graph)["fc1"]
    assert (known.bound, known.observed, known.basis) == (3 * (254 + weight[2]), None, "proof")
    assert known.headroom is None and known.claim == "for any input, by proof"


def test_a_leak_multiplies_the_bound():
    # A current that keeps half doubles: 2 x 254 x 3. In a single step it does not.
    for steps, gain in ((20, 2), (1, 1)):
        network = one_layer([[1.0, -0.5]], neuron=dpap.LIF(current_decay=0.5), steps=steps, input_max=3)
        known = current_ranges(deploy.compile(network))["fc1"]
        assert known.bound == gain * 254 * 3


def test_pools_and_recurrent_synapses_count():
    network = firing_network("2C3-AP2-5RFC-3FC", (1, 4, 4), 4)
    graph = deploy.compile(network)
    layer = graph["fc1"]
    positive, _ = signed_bounds(graph, layer)
    by_hand = np.zeros(len(layer.kept))
    for incoming in layer.inputs:
        matrix = incoming.connection.matrix.toarray()
        by_hand += np.clip(matrix, 0, None).sum(1) * incoming.connection.pool**2
    assert positive.tolist() == by_hand.tolist()


def test_the_basis_is_proof_calibration_or_check():
    network = calibrated()
    graph = deploy.compile(network)
    known = current_ranges(graph)["fc1"]
    # 82 units: 2 x 82 x 255 x 8 may come, and 25,600 / 32.125 x 82.24 = 65,536 of 131,072 were seen.
    assert (known.bound, known.observed, known.basis) == (2 * 82 * 255 * 8, 65_536, "calibration")
    assert known.headroom == pytest.approx(2.0, abs=1e-3)
    assert CurrentRange(known.bound, None).basis == "check"
    assert CurrentRange((1 << 17) - 1, 5).basis == "proof"
    # A layer of which nothing is known and no proof leaves a weight 7 levels.
    network = one_layer([[1.0] * 40])
    known = current_ranges(deploy.compile(network))["fc1"]
    assert (known.bound, known.basis) == (40 * 14 * 255 * 8, "check")


def test_what_was_observed_is_kept_in_the_file(tmp_path):
    graph = deploy.compile(calibrated())
    path = tmp_path / "model.h5"
    graph.save(path)
    with h5py.File(path) as file:
        assert file.attrs["schema"] == 4
    loaded = deploy.load(path)
    assert loaded["fc1"].observed_current == graph["fc1"].observed_current == 65_536
    assert current_ranges(loaded) == current_ranges(graph)
    # Version 3 knows none.
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 3
        del file["layers/0"].attrs["observed_current"]
    seal(path)
    old = deploy.load(path)
    assert current_ranges(old)["fc1"].basis == "check"
    inputs = np.array([[[100, 0, 0, 0]] * 8])
    assert np.array_equal(deploy.run(old, inputs).output, deploy.run(graph, inputs).output)


def test_a_certificate_says_what_ranges_rest_on():
    network = calibrated()
    inputs = np.array([[[100, 0, 0, 0]] * 8])
    certificate = deploy.verify(deploy.compile(network), network, inputs, ("fast",))
    written = json.loads(json.dumps(certificate.to_dict()))
    assert written["ranges"]["fc1"] == {
        "bound": 334_560,
        "observed": 65_536,
        "limit": 131_072,
        "basis": "calibration",
        "headroom": 2.0,
    }


def test_layers_of_sigma_delta_units_and_maxima_have_no_currents():
    network = firing_network("4FC-3FC", (6,), 2, input_max=16, gain=1, neuron=dpap.ReLU())
    assert current_ranges(deploy.compile(network)) == {}
    network = firing_network("2C3-MP2-3FC", (1, 4, 4), 2)
    assert set(current_ranges(deploy.compile(network))) >= {"conv1", "fc1"}


def test_the_first_current_out_of_range_by_hand():
    graph = deploy.compile(calibrated())
    inputs = np.zeros((3, 8, 4), np.int64)
    # 82 x 200 a step: 131,200 after the eighth; 82 x 255 is 20,910 a step, and the seventh comes to 146,370.
    inputs[1, :, 0] = 200
    inputs[2, :, 1] = 255
    found = locate_overflow(graph, graph["fc1"], {"input": inputs}, first_sample=10)
    assert (found.sample, found.step, found.neuron, found.current) == (11, 7, (0,), 131_200)
    found = locate_overflow(graph, graph["fc1"], {"input": inputs[2:]})
    assert (found.sample, found.step, found.current) == (0, 6, -146_370)
    assert locate_overflow(graph, graph["fc1"], {"input": inputs[:1]}) is None
    with pytest.raises(
        deploy.ActivationOverflow, match="fc1: the current of neuron 0 is 131200 in sample 1 at"
    ):
        deploy.run(graph, inputs)


@pytest.mark.parametrize("notation", ["8RFC-4FC", "3C3-Delay4-8FC-4FC", "3C3-AP2-8RFC-Delay3-4FC"])
def test_all_ways_name_the_same_current(notation):
    network = firing_network(notation, (1, 6, 6), 12, input_max=255, neuron=STILL)
    dpap.calibrate(network, random_inputs(network, 4) // 64)
    inputs = random_inputs(network, 5)
    inputs[:3] //= 64
    graph = deploy.compile(network)
    with pytest.raises(deploy.ActivationOverflow) as fast:
        deploy.run(graph, inputs)
    with pytest.raises(dpap.ActivationOverflow) as torchs:
        network(torch.from_numpy(inputs).movedim(1, -1))
    assert str(fast.value) == str(torchs.value)
    assert "in sample 3 " in str(fast.value)


def test_a_channel_whose_negative_current_may_wrap_is_kept():
    # Neuron 0 has inhibition alone. At -131,200 its current wraps to 130,944, and it fires.
    network = dpap.networks.build("2FC-2FC", (4,), 8, input_max=255, neuron=STILL).eval()
    network.layers["fc1"].weight.data = torch.tensor([[-1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    network.layers["fc2"].weight.data = torch.tensor([[1.0, 0], [0, 1.0]])
    network.layers["fc1"].mask.data = (network.layers["fc1"].weight != 0).float()
    assert deploy.compile(network)["fc1"].kept.tolist() == [1]
    dpap.calibrate(network, np.array([[60, 60, 0, 0]]))
    graph = deploy.compile(network)
    assert not network.layers["fc1"].integer_parameters().proven
    assert graph["fc1"].kept.tolist() == [0, 1]
    inputs = np.zeros((1, 8, 4), np.int64)
    inputs[..., 0] = 255
    certificate = deploy.verify(graph, network, inputs, ("fast",), on_overflow="wrap")
    assert certificate.mismatches == 0
    assert deploy.run(graph, inputs, on_overflow="wrap").kept["fc1"][..., 0].any()
