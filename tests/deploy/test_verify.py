import json
from dataclasses import replace

import numpy as np
import pytest
from factories import firing_network, random_inputs

import deploy


@pytest.fixture
def compiled():
    network = firing_network("4C3-AP2-12FC-5FC", (1, 6, 6), 5)
    network.layers["conv1"].mask[2] = 0
    network.layers["fc2"].mask[:, 3] = 0
    return network, deploy.compile(network), random_inputs(network, 8)


def test_every_spike_is_compared(compiled):
    network, graph, inputs = compiled
    certificate = deploy.verify(graph, network, inputs, backends=("fast",))
    layers = certificate.backends["fast"]
    # 8 samples x 5 steps x neurons: conv1 4 x 36 with its silent channel, fc1 12 without the neuron that has
    # no fan-out.
    assert layers["conv1"].compared == 8 * 5 * 4 * 36
    assert (layers["fc1"].compared, layers["fc1"].unheard) == (8 * 5 * 11, 1)
    assert layers["fc2"].compared == 8 * 5 * 5
    assert certificate.mismatches == 0
    assert certificate.compared == 40 * (144 + 11 + 5)
    assert certificate.samples == {"fast": 8}


def test_a_flipped_spike_is_found_where_it_is(compiled):
    network, graph, inputs = compiled
    recording = deploy.run(graph, inputs)
    kept = {name: spikes.copy() for name, spikes in recording.kept.items()}
    # Channel 3 of conv1 is the third that survives; sample 6, step 4.
    kept["conv1"][6, 4, 2, 1, 5] ^= 1
    kept["conv1"][7, 0, 0, 0, 0] ^= 1
    certificate = deploy.certify(network, [replace(recording, kept=kept)])
    layer = certificate.backends["fast"]["conv1"]
    first = layer.first_mismatch
    assert layer.mismatches == certificate.mismatches == 2
    assert (first.sample, first.step, first.neuron) == (6, 4, (3, 1, 5))
    assert {first.expected, first.actual} == {0, 1}
    assert first.actual == kept["conv1"][6, 4, 2, 1, 5]


def test_a_spike_of_a_channel_held_to_be_silent_is_a_mismatch(compiled):
    network, graph, inputs = compiled
    recording = deploy.run(graph, inputs)
    network.layers["conv1"].mask[2] = 1
    certificate = deploy.certify(network, [recording])
    first = certificate.backends["fast"]["conv1"].first_mismatch
    assert first.neuron[0] == 2
    assert (first.expected, first.actual) == (1, 0)


def test_a_graph_of_another_threshold_is_found(compiled):
    network, graph, inputs = compiled
    layer = graph["fc1"]
    neuron = replace(layer.neuron, threshold=layer.neuron.threshold * 3)
    layers = tuple(replace(each, neuron=neuron) if each is layer else each for each in graph.layers)
    certificate = deploy.verify(replace(graph, layers=layers), network, inputs, backends=("fast",))
    assert certificate.backends["fast"]["conv1"].mismatches == 0
    assert certificate.backends["fast"]["fc1"].mismatches > 0


def test_another_network_is_refused(compiled):
    _, graph, inputs = compiled
    with pytest.raises(deploy.CompileError, match="compiled from another"):
        deploy.verify(graph, firing_network("12FC-5FC", (36,), 5), inputs, backends=("fast",))


def test_to_dict_is_json(compiled):
    network, graph, inputs = compiled
    certificate = deploy.verify(graph, network, inputs, backends=("fast",))
    content = json.loads(json.dumps(certificate.to_dict()))
    assert content["mismatches"] == 0
    assert content["backends"]["fast"]["fc2"]["compared"] == 200
    assert content["backends"]["fast"]["fc2"]["first_mismatch"] is None


def test_lava_agrees_with_torch_and_the_fast_backend():
    network = firing_network("6C3-AP2-8C3-AP2-12FC-5FC", (1, 8, 8), 4, input_max=16)
    network.layers["conv2"].mask[3] = 0
    network.layers["fc1"].mask[:, ::3] = 0
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, random_inputs(network, 4), time_limit=60)
    assert set(certificate.backends) == {"fast", "lava"}
    assert certificate.mismatches == 0
    assert all(layer.spikes > 0 for layer in certificate.backends["lava"].values())


@pytest.mark.parametrize(
    ("value", "shown"), [(-1, "-1"), (2, "2"), (0.5, "0.5"), (np.nan, "nan"), (np.inf, "inf")]
)
def test_wrong_inputs_are_named_with_their_index(compiled, value, shown):
    _, graph, inputs = compiled
    inputs = inputs.astype(float)
    inputs[1, 2, 0, 3, 4] = value
    with pytest.raises(
        ValueError, match=rf"\(1, 2, 0, 3, 4\) are {shown}; expected whole numbers from 0 to 1"
    ):
        deploy.run(graph, inputs)


@pytest.mark.parametrize(
    "shape", [(8, 5, 1, 6, 5), (8, 4, 1, 6, 6), (8, 5, 6, 6), (5, 1, 6, 6), (), (2, 3, 5, 1, 6, 6)]
)
def test_wrong_shapes_are_named(compiled, shape):
    _, graph, _ = compiled
    with pytest.raises(ValueError, match=r"expected \(N, 5, 1, 6, 6\)"):
        deploy.run(graph, np.zeros(shape))


@pytest.mark.parametrize("dtype", [object, "U1", complex])
def test_wrong_types_are_named(compiled, dtype):
    _, graph, inputs = compiled
    with pytest.raises(ValueError, match="; expected real numbers"):
        deploy.run(graph, inputs.astype(dtype))


def test_bools_and_an_empty_batch_run(compiled):
    _, graph, inputs = compiled
    recording = deploy.run(graph, inputs.astype(bool))
    assert np.array_equal(recording.output, deploy.run(graph, inputs).output)
    empty = deploy.run(graph, inputs[:0])
    assert empty.output.shape == (0, 5, 5)


def test_the_result_does_not_depend_on_the_batches(compiled):
    _, graph, inputs = compiled
    whole, parts = deploy.run(graph, inputs), deploy.run(graph, inputs, memory_bytes=1)
    assert all(np.array_equal(whole.kept[name], parts.kept[name]) for name in whole.kept)


def test_backends_that_are_not_there(compiled):
    _, graph, inputs = compiled
    with pytest.raises(ValueError, match="backend 'brian' is not known; use one of fast, lava, loihi2"):
        deploy.run(graph, inputs, backend="brian")
    with pytest.raises(deploy.BackendUnavailable, match="loihi2"):
        deploy.run(graph, inputs, backend="loihi2")


def test_predictions_take_the_lowest_of_equals(compiled):
    _, graph, inputs = compiled
    recording = deploy.run(graph, inputs)
    output = np.zeros_like(recording.kept["fc2"])
    output[0, :, [1, 4]] = 1
    output[1, 0, 3] = 1
    recording = replace(recording, kept=dict(recording.kept) | {"fc2": output})
    assert recording.predictions.tolist() == [1, 3, 0, 0, 0, 0, 0, 0]
    assert recording.accuracy(np.array([1, 3, 0, 0, 1, 1, 1, 1])) == 0.5


def test_options_that_no_backend_takes_are_refused(compiled):
    network, graph, inputs = compiled
    with pytest.raises(deploy.errors.InputError, match="time_limit is for other backends than fast"):
        deploy.verify(graph, network, inputs, backends=("fast",), time_limit=60)
