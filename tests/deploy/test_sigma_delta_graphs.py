"""Networks of rectified linear units, compiled, run, counted and priced."""

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs
from lava.lib.dl.slayer.block import sigma_delta
from torch import nn

import deploy
import dpap
from deploy.ir import InputDeltaEncoder, Maximum, SigmaDelta
from dpap.slayer.sigma_delta import MaxPool as StockMaxPool
from dpap.slayer.sigma_delta import SlayerDeltaEncoder


def by_hand(steps=4, threshold=0.0):
    """Two inputs, two units, one output, of which all numbers are worked out by hand.

    64 messages stand for 1, and so do inputs of 64. The first layer's weights of 1 and -0.5 are 128 and -64
    at the scale 2**7, and its sums lose 7 digits; so do those of the second, 0.5 and 1 being 64 and 128.
    """
    network = dpap.networks.build(
        "2FC-1FC", (2,), steps, input_max=64, neuron=dpap.ReLU(threshold=threshold)
    ).eval()
    first, second = network.synaptic_blocks()
    first.weight.data = torch.tensor([[1.0, -0.5], [0.0, 1.0]])
    second.weight.data = torch.tensor([[0.5, 1.0]])
    return network


# Inputs, and the changes of them that are sent: (8, 6), (4, 0), nothing, (-11, 10).
STEPS = np.array([[[8, 6], [12, 6], [12, 6], [1, 16]]])


def test_messages_by_hand():
    # Unit 0: 8 - 3 = 5, 12 - 3 = 9, 9, max(1 - 8, 0) = 0: sends 5, 4, 0, -9. Unit 1: 6, 6, 6, 16, sends 6, 0,
    # 0, 10.
    # Output: 2.5 + 6 = 8.5, of which 8 is sent; 4.5 + 6 = 10.5, sends floor(10.5 - 8.5) = 2; nothing; 16:
    # sends floor(16 - 10.5) = 5, so that 15 is known of 16.
    network = by_hand()
    graph = deploy.compile(network)
    assert graph.encoder == InputDeltaEncoder()
    assert [layer.neuron for layer in graph.layers] == [SigmaDelta(128, 7, True), SigmaDelta(128, 7, False)]
    for backend in ("fast", "lava"):
        recording = deploy.run(graph, STEPS, backend=backend)
        assert recording.sent_inputs.tolist() == [[[8, 6], [4, 0], [0, 0], [-11, 10]]]
        assert recording.spikes["fc1"].tolist() == [[[5, 6], [4, 0], [0, 0], [-9, 10]]]
        assert recording.output.tolist() == [[[8], [2], [0], [5]]]
        # What is known after each step, 8, 10, 10, 15, summed so far.
        assert recording.scores.tolist() == [[[8], [18], [28], [43]]]
    outputs = network(torch.from_numpy(STEPS).movedim(1, -1))
    assert (outputs * 64).cumsum(-1).tolist() == [[[8, 18, 28, 43]]]
    assert deploy.verify(graph, network, STEPS).mismatches == 0


def test_counts_by_hand():
    # fc1 receives the messages other than zero: 2 + 1 + 0 + 2 = 5. Input 0 has one synapse (the weight 0 is
    # none) and sends at steps 0, 1 and 3; input 1 has two and sends at 0 and 3: 3 * 1 + 2 * 2 = 7, dense
    # 5 * 2 = 10. By magnitude: (8 + 4 + 11) * 1 + (6 + 10) * 2 = 55. Input 1 reaches both units, input 0 unit
    # 0: of 8 updates 2 + 1 + 0 + 2 = 5 have input. It sends 5, 6, 4, -9, 10: five.
    # fc2 receives these: 5 at one synapse each; by magnitude 5 + 6 + 4 + 9 + 10 = 34; at 3 of 4 steps. It
    # sends three.
    graph = deploy.compile(by_hand())
    measurement = deploy.measure(graph, deploy.run(graph, STEPS))
    fc1, fc2 = measurement["fc1"], measurement["fc2"]
    assert (fc1.events_in, fc1.synops_effective, fc1.synops_dense) == (5, 7, 10)
    assert (fc1.synops_effective_unary, fc1.neuron_updates, fc1.neuron_updates_with_input) == (55, 8, 5)
    assert (fc1.spikes, fc1.firing_rate) == (5, 5 / 8)
    assert (fc2.events_in, fc2.synops_effective, fc2.synops_effective_unary) == (5, 5, 34)
    assert (fc2.spikes, fc2.neuron_updates, fc2.neuron_updates_with_input) == (3, 4, 3)


def test_what_cannot_be_priced_is_unknown():
    graph = deploy.compile(by_hand())
    measurement = deploy.measure(graph, deploy.run(graph, STEPS))
    for target in ("loihi1", "loihi2-scaled"):
        with pytest.raises(
            deploy.HardwareError, match="fc1 has sigma-delta units, which send graded messages"
        ):
            deploy.estimate(measurement, target)
    for target in ("cmos45_int8", "spinnaker2", "loihi2"):
        with pytest.raises(deploy.HardwareError, match=r"is unknown"):
            deploy.estimate(measurement, target)
    with pytest.raises(deploy.HardwareError, match="sigma_delta_update is unknown"):
        deploy.estimate(measurement, "spinnaker2")
    # A multiplication and accumulation for each message at each synapse, 7 + 5, and no known update.
    (priced,) = deploy.estimate(measurement, "spinnaker2", unknown="bound").cost_sets.values()
    parts = {part.name: part for part in priced.parts}
    assert parts["multiplications and accumulations"].count == 12
    assert parts["neuron updates"].unknown
    assert priced.is_lower_bound
    with pytest.raises(dpap.InputError, match="not defined for a network of sigma-delta units"):
        deploy.stop_when_confident(measurement.recording, [0], 0.5)


def test_formats_of_spikes_refuse_them(tmp_path):
    graph = deploy.compile(by_hand())
    for name in ("model.net", "model.nir"):
        with pytest.raises(deploy.ExportError, match="fc1 has sigma-delta units"):
            deploy.export(graph, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_maximum_is_of_activations_and_not_of_changes():
    # One channel, weights of 1 at the centre: activations are the inputs. At step 1 the largest, 9, falls to
    # 2, and the maximum to 5, which did not change: the message is -4.
    network = dpap.networks.build("1C1-MP2-1FC", (1, 2, 2), 2, input_max=64, neuron=dpap.ReLU()).eval()
    for block in network.synaptic_blocks():
        block.weight.data.fill_(1.0)
    graph = deploy.compile(network)
    assert [layer.neuron for layer in graph.layers[1:2]] == [Maximum()]
    inputs = np.array([[[[[9, 5], [1, 0]]], [[[2, 5], [1, 0]]]]])
    for backend in ("fast", "lava"):
        recording = deploy.run(graph, inputs, backend=backend)
        assert recording.spikes["pool1"].ravel().tolist() == [9, -4]
        assert recording.output.ravel().tolist() == [9, -4]


def test_silent_units_are_removed_and_one_with_a_bias_sends_once():
    network = dpap.networks.build("4FC-2FC", (3,), 3, input_max=64, neuron=dpap.ReLU(), bias=True).eval()
    first, second = network.synaptic_blocks()
    first.weight.data = torch.tensor([[1.0, 1, 1], [0, 0, 0], [0, 0, 0], [1, 0, 1]])
    first.bias.data = torch.tensor([0.0, 0.5, -0.5, 0.25])
    second.weight.data = torch.tensor([[1.0, 1, 1, 0], [1, -1, 1, 0]])
    second.bias.data.zero_()
    graph = deploy.compile(network)
    # Unit 1 sends 32, half of 64, at the first step; unit 2 never reaches a message; unit 3 has no fan-out.
    assert graph["fc1"].kept.tolist() == [0, 1]
    assert graph["fc1"].without_fan_out.tolist() == [3]
    recording = deploy.run(graph, random_inputs(network, 4))
    assert recording.spikes["fc1"][:, :, 1].tolist() == [[32, 0, 0]] * 4
    certificate = deploy.verify(graph, network, random_inputs(network, 4), backends=("fast",))
    assert certificate.mismatches == 0
    # One that only receives inhibition is silent for a single step; later, inputs rounded down may be
    # negative.
    first.weight.data[1], first.bias.data[1] = torch.tensor([-1.0, -1, -1]), 0
    assert deploy.compile(network)["fc1"].kept.tolist() == [0]


def test_a_network_without_any_synapse_still_runs():
    network = firing_network("4C3-MP2-6FC-3FC", (1, 8, 8), 3, input_max=16, neuron=dpap.ReLU(), bias=True)
    for block in network.synaptic_blocks():
        block.mask.zero_()
    graph = deploy.compile(network)
    assert [len(layer.kept) for layer in graph.layers] == [1, 1, 1, 3]
    inputs = random_inputs(network, 4)
    assert not deploy.run(graph, inputs).output.any()
    assert deploy.verify(graph, network, inputs).mismatches == 0


def overflow_of(run, *arguments, **options):
    """What an overflow says."""
    with pytest.raises(dpap.ActivationOverflow) as caught:
        run(*arguments, **options)
    return str(caught.value)


def overflows(network, inputs, backends=("fast", "lava")):
    """What every place that runs a network says of its overflow; the simulator numbers no samples."""
    graph = deploy.compile(network)
    found = [overflow_of(network.record, torch.from_numpy(inputs).movedim(1, -1))]
    found += [overflow_of(deploy.run, graph, inputs, backend=backend) for backend in backends]
    return found


def step_by_step(graph, sample, **options):
    simulator = deploy.Simulator(graph, **options)
    for step in sample:
        simulator.step(step)


def with_weights(network, value=1.0):
    for block in network.synaptic_blocks():
        block.weight.data.fill_(value)
    return network.eval()


def wide(notation="4FC-4FC-2FC", neuron=None, input_max=65535):
    """Weights of 1 are 128 units: sums of the first layer reach 400 * 65535 * 128, beyond 2**31."""
    neuron = dpap.ReLU() if neuron is None else neuron
    return with_weights(dpap.networks.build(notation, (400,), 2, input_max=input_max, neuron=neuron))


def test_activations_that_leave_24_and_32_bits_are_named_on_every_backend():
    network, graph = wide(), deploy.compile(wide())
    network.layers["fc1"].weight.data[:3] = 0.5
    # Neurons 0 to 2 reach 400 * 65535 * 64, below 2**31; neuron 3 twice that, in sample 1 at step 1.
    inputs = np.full((2, 2, 400), 9)
    inputs[1, 1] = 65535
    found = overflows(network, inputs)
    assert found[0].startswith(
        "fc1: an activation reaches 3355392000 in neuron 3 in sample 1 at step 1, in whole numbers; it must"
        " stay below 2147483648 in magnitude"
    )
    assert len(set(found)) == 1
    streamed = overflow_of(step_by_step, deploy.compile(network), inputs[1])
    assert streamed == found[0].replace("sample 1", "sample 0")
    # What is no current does not wrap.
    for run, given in ((deploy.run, inputs), (step_by_step, inputs[1])):
        assert overflow_of(run, deploy.compile(network), given, on_overflow="wrap") in (found[0], streamed)
    # The advice: smaller inputs.
    small = np.full((1, 2, 400), 32767)
    assert deploy.verify(graph, wide(), small, backends=("fast",)).mismatches == 0


def test_fewer_fraction_bits_leave_room():
    # Weights of 0.5 and 400 sources a layer: activations of 200, 40,000 and 8 million, of which 6 digits are
    # messages, and 24 bits hold 131,071; those of no digits hold 8,388,607.
    notation = "400FC-400FC-2FC"
    found = overflows(
        with_weights(wide(notation, input_max=1), 0.5), np.ones((1, 2, 400), np.int64), ("fast",)
    )
    assert len(set(found)) == 1
    assert found[0].startswith("fc3: an activation reaches ") and "fewer fraction_bits" in found[0]
    coarse = with_weights(wide(notation, dpap.ReLU(fraction_bits=0), input_max=1), 0.5)
    ones = np.ones((1, 2, 400), np.int64)
    assert deploy.verify(deploy.compile(coarse), coarse, ones, backends=("fast",)).mismatches == 0


def test_the_place_in_an_image_that_was_pruned():
    network = dpap.networks.build("3C3-2FC", (400, 3, 3), 2, input_max=65535, neuron=dpap.ReLU())
    conv = with_weights(network).layers["conv1"]
    conv.weight.data[0], conv.mask[0] = 0, 0
    conv.weight.data[1] = 0.25
    # Channel 0 is pruned. The corner of channel 1 has 4 taps of 400 inputs: 1600 * 65535 * 128 / 4 exceeds
    # 2**31.
    inputs = np.full((1, 2, 400, 3, 3), 65535)
    inputs[0, 0] = 0
    found = overflows(network, inputs)
    assert len(set(found)) == 1 and "in neuron (1, 0, 0) in sample 0 at step 1" in found[0], found[0]


def test_a_change_that_leaves_32_bits_where_states_do_not():
    # 200 inputs at 1 and 200 at -1: states of 200 * 65535 * 128 = 1677696000 and its negative, both below
    # 2**31; from the one to the other it is twice that.
    network = dpap.networks.build("1FC", (400,), 3, input_max=65535, neuron=dpap.ReLU()).eval()
    network.layers["fc1"].weight.data = torch.cat([torch.ones(1, 200), -torch.ones(1, 200)], dim=1)
    inputs = np.zeros((2, 3, 400), np.int64)
    inputs[:, 0, :200] = inputs[:, 2, 200:] = 65535
    inputs[1, 1, :200] = inputs[1, 1, 200:] = inputs[1, 2, :200] = 0
    inputs[1, 1] = inputs[1, 0]
    found = overflows(network, inputs[1:])
    assert len(set(found)) == 1
    assert found[0].startswith("fc1: the change of an activation reaches -3355392000 in neuron 0 in sample 0")
    assert "at step 2" in found[0]
    assert overflow_of(step_by_step, deploy.compile(network), inputs[1]) == found[0]
    # By way of 0 neither change leaves its range, however far the states are from each other.
    assert deploy.verify(deploy.compile(network), network, inputs[:1]).mismatches == 0


def test_sums_beyond_32_bits_on_their_way_are_exact():
    # Two weights of 1 and -1 with inputs of 65535 in 300 places each: their parts exceed 2**31, the sum does
    # not.
    network = dpap.networks.build("2FC-2FC", (600,), 3, input_max=65535, neuron=dpap.ReLU()).eval()
    first, second = network.synaptic_blocks()
    first.weight.data = torch.cat([torch.ones(2, 300), -torch.ones(2, 300)], dim=1)
    first.weight.data[0, 0] = 0.5
    second.weight.data = torch.tensor([[1.0, 0.5], [0.25, -1.0]])
    inputs = np.random.default_rng(0).integers(60000, 65536, (3, 3, 600))
    graph = deploy.compile(network)
    certificate = deploy.verify(graph, network, inputs, backends=("fast",))
    assert certificate.mismatches == 0
    assert certificate.backends["fast"]["fc1"].spikes > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_results_do_not_depend_on_threads_and_batches(threads):
    network = firing_network(
        "4C3-MP2-6FC-3FC", (1, 8, 8), 3, input_max=255, gain=1, neuron=dpap.ReLU(threshold=0.1), bias=True
    )
    graph, inputs = deploy.compile(network), random_inputs(network, 21)
    whole = deploy.run(graph, inputs)
    for memory in (1 << 14, 1 << 30):
        parts = deploy.run(graph, inputs, threads=threads, memory_bytes=memory, record=["fc1"])
        assert list(parts.kept) == ["fc1", "fc2"]
        assert all(np.array_equal(parts.kept[name], whole.kept[name]) for name in parts.kept)
    empty = deploy.run(graph, inputs[:0])
    assert empty.output.shape == (0, 3, 3) and empty.predictions.shape == (0,)


def test_the_papers_network_for_mnist():
    network = dpap.networks.named("mnist-dnn").eval()
    graph = deploy.compile(network)
    assert [layer.neuron.kind for layer in graph.layers] == [
        *("sigma-delta", "maximum") * 2,
        *("sigma-delta",) * 2,
    ]
    inputs = random_inputs(network, 2)
    certificate = deploy.verify(graph, network, inputs)
    assert certificate.mismatches == 0
    assert all(layer.spikes > 0 for layers in certificate.backends.values() for layer in layers.values())


def test_accuracy_is_that_of_the_networks_evaluation():
    network = firing_network(
        "12FC-4FC", (4,), 3, input_max=16, excitation=0, gain=1, neuron=dpap.ReLU(), bias=True
    )
    for block in network.synaptic_blocks():
        block.mask[torch.rand_like(block.mask) < 0.3] = 0
    graph, inputs = deploy.compile(network), random_inputs(network, 40)
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs).movedim(1, -1)).sum(2).argmax(1).numpy()
    recording = deploy.run(graph, inputs)
    assert np.array_equal(recording.predictions, expected) and len(np.unique(expected)) > 1
    labels = np.where(np.arange(40) < 30, expected, (expected + 1) % 4)
    assert recording.accuracy(labels) == 0.75
    assert deploy.early_exit(recording, labels, "spinnaker2", unknown="bound").accuracy[-1] == 0.75


NEURON = {"threshold": 0.1, "activation": torch.nn.functional.relu}


@pytest.mark.parametrize(
    "encoder", [sigma_delta.Input(dict(NEURON)), SlayerDeltaEncoder(64, gain=50, threshold=300)]
)
def test_stock_sigma_delta_blocks_compile(encoder):
    torch.manual_seed(0)
    net = nn.Sequential(
        encoder,
        sigma_delta.Conv(NEURON, 2, 6, 3, padding=1, stride=2),
        dpap.slayer.SumPool(2),
        sigma_delta.Conv(NEURON, 6, 5, 2, padding=1),
        StockMaxPool(2, 1),
        sigma_delta.Flatten(),
        sigma_delta.Dense(NEURON, 5 * 2 * 2, 4),
    )
    for block in net:
        if hasattr(block, "synapse"):
            block.synapse.weight.data += 0.3 * block.synapse.weight.data.abs()
    network = dpap.from_slayer(net, (2, 8, 7), 6, 100).eval()
    graph = deploy.compile(network)
    inputs = random_inputs(network, 3)
    assert deploy.verify(graph, network, inputs, backends=("fast",)).mismatches == 0
    recording = deploy.run(graph, inputs)
    # The blocks' own last messages, in the units that SLAYER has for them.
    unit = 2 / 64 if encoder is net[0] and isinstance(encoder, sigma_delta.Input) else 1
    with torch.no_grad():
        sent = net(torch.from_numpy(inputs).movedim(1, -1).float() * unit)
    assert np.array_equal((sent * net[-1].neuron.s_scale).numpy(), np.moveaxis(recording.output, 1, -1))
    assert recording.output.any()


def test_what_cannot_be_compiled_is_named():
    network = dpap.networks.build("4C3-MP2-10FC", (1, 8, 8), 2, input_max=1, neuron=dpap.ReLU())
    network.layers["conv1"].neuron = dpap.LIF()
    with pytest.raises(deploy.CompileError, match="conv1 has lif neurons in a network of relu neurons"):
        deploy.compile(network)
    network = dpap.networks.build("DP0.1-4FC", (8,), 2)
    network.layers["dropout1"] = dpap.blocks.DeltaEncoder(4)
    with pytest.raises(deploy.CompileError, match="dropout1: a DeltaEncoder cannot be compiled"):
        deploy.compile(network)
    network = dpap.networks.build("4C3-10FC", (1, 8, 8), 2, input_max=1, neuron=dpap.ReLU())
    network.sources["conv1"] = ("input",)
    with pytest.raises(deploy.CompileError, match="encoder1: a DeltaEncoder must be the one layer"):
        deploy.compile(network)
    network = dpap.networks.build("4FC", (8,), 2, input_max=3, neuron=dpap.ReLU(fraction_bits=23))
    with pytest.raises(deploy.CompileError, match=r"encoder1: inputs up to 3 times .* leave the 24 bits"):
        deploy.compile(network)
    network = dpap.networks.build("4FC-Res(4FC)-2FC", (8,), 2, input_max=64, neuron=dpap.ReLU())
    network.layers["add1"] = dpap.blocks.Delay(4)
    with pytest.raises(deploy.CompileError, match="fc3: its input from fc2 is delayed"):
        deploy.compile(network)
