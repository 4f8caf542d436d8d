import pytest
import torch
from handmade_layers import HandmadeLayer, HandmadeNetwork, chain, steps

import dpap
from dpap.pruning.sources import presynaptic_alive


def conv(name, post, pre, **attributes):
    return HandmadeLayer(name, torch.ones(post, pre, 3, 3), kind="conv", **attributes)


def bits(*values):
    return torch.tensor(values, dtype=torch.bool)


def test_in_a_chain_the_source_of_each_layer_is_the_one_before():
    assert dpap.DPAP(chain(3, 4, 5, 2)).sources == {"fc1": (), "fc2": ("fc1",), "fc3": ("fc2",)}


def residual():
    """``a`` feeds ``b``; ``c`` receives both, added."""
    network = HandmadeNetwork(
        *(
            HandmadeLayer(name, torch.ones(post, pre))
            for name, post, pre in (("a", 3, 2), ("b", 3, 3), ("c", 2, 3))
        ),
        sources_of=lambda name: {"a": (), "b": ("a",), "c": ("a", "b")}[name],
    )
    return network, dpap.DPAP(network)


def test_an_added_source_is_pruned_where_all_are():
    network, pruner = residual()
    pruner.layers["a"].neuron_alive[0] = False
    pruner.layers["a"].neuron_alive[1] = False
    pruner.layers["b"].neuron_alive[1] = False
    pruner.layers["b"].neuron_alive[2] = False
    pruner.apply_masks()
    a, b, c = network.handmade
    assert a.mask.tolist() == [[0, 0], [0, 0], [1, 1]]
    assert b.mask.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    # Channel 0 is alive in b, channel 2 in a, channel 1 in neither.
    assert c.mask.tolist() == [[1, 0, 1], [1, 0, 1]]


def test_a_source_that_is_none_is_named():
    network = HandmadeNetwork(*chain(3, 4, 2).handmade, sources_of=lambda name: ("fc7",))
    with pytest.raises(dpap.InputError, match="fc1 has the source 'fc7', which is no layer of synapses"):
        dpap.DPAP(network)


def test_sources_that_do_not_fit_are_named():
    network = HandmadeNetwork(
        *chain(3, 4, 5, 2).handmade, sources_of=lambda name: {"fc3": ("fc1", "fc2")}.get(name, ())
    )
    with pytest.raises(dpap.InputError, match="fc3 has 5 inputs; its sources have 4, 5 neurons"):
        dpap.DPAP(network).apply_masks()


def test_a_pruned_channel_silences_its_group_alone():
    # Four channels to six in two groups: outputs 0 to 2 receive channels 0 and 1, the others 2 and 3.
    network = HandmadeNetwork(conv("conv1", 4, 1), conv("conv2", 6, 2, groups=2), conv("conv3", 2, 6))
    pruner = dpap.DPAP(network)
    pruner.layers["conv1"].neuron_alive[2] = False
    pruner.apply_masks()
    assert network.handmade[1].mask.flatten(1).tolist() == [[1, 1]] * 3 + [[0, 1]] * 3
    # By weights, 9 a kernel: 4 + 12 + 12 kernels, of which 1 + 3 are gone.
    assert pruner.pruning_rate == pytest.approx(4 / 28)


def test_a_pruned_recurrent_neuron_is_silent_to_its_own_layer():
    # Two inputs, three neurons that receive the inputs and each other's spikes.
    network = HandmadeNetwork(
        HandmadeLayer("fc1", torch.ones(2, 4)),
        HandmadeLayer("rec", torch.ones(3, 5), recurrent=True),
        HandmadeLayer("fc2", torch.ones(2, 3)),
    )
    pruner = dpap.DPAP(network)
    pruner.layers["fc1"].neuron_alive[1] = False
    pruner.layers["rec"].neuron_alive[2] = False
    pruner.apply_masks()
    assert network.handmade[1].mask.tolist() == [[1, 0, 1, 1, 0], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert network.handmade[2].mask.tolist() == [[1, 1, 0], [1, 1, 0]]


def test_a_recurrent_layer_that_receives_the_input():
    block = HandmadeLayer("rec", torch.ones(2, 5), recurrent=True)
    assert presynaptic_alive(block, [], bits(1, 0)).tolist() == [True, True, True, True, False]


def test_a_recurrent_layers_own_spikes_are_real_units_already():
    block = HandmadeLayer("rec", torch.ones(1, 2), recurrent=True, input_divisor=4)
    network = HandmadeNetwork(block, HandmadeLayer("fc1", torch.ones(2, 1)))
    pruner = dpap.DPAP(network, dpap.DPAPConfig(importance="hebb"))
    # One step: input 4 of 4 is 1, the own spike is 1; post 1.
    block.show(steps([4, 1]), steps([1]))
    pruner.after_batch()
    assert pruner.layers["rec"].importance.synapses().tolist() == [[1.0, 1.0]]


def test_positions_of_a_pruned_channel():
    block = HandmadeLayer("fc1", torch.ones(2, 6))
    assert presynaptic_alive(block, [bits(1, 0)], bits(1, 1)).tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize(("answer", "shared"), [(True, True), (False, False)])
def test_a_network_says_where_its_pools_sum(monkeypatch, answer, shared):
    network = dpap.networks.build("3C3-AP2-4C3-5FC", (1, 8, 8), 2)
    asked = []
    network.sums_exactly = lambda source, name: asked.append((source, name)) or answer
    pruner = dpap.DPAP(network)
    assert (pruner.layers["conv2"].source is not None) == shared
    assert asked == [("conv1", "conv2")]


def test_traces_are_not_taken_over_from_one_of_several_sources():
    network = dpap.networks.build("3C3-3C3-3C3-5FC", (3, 4, 4), 2)
    received = {"conv1": (), "conv2": ("conv1",), "conv3": ("conv1", "conv2"), "fc1": ("conv3",)}
    network.sources_of = received.__getitem__
    pruner = dpap.DPAP(network)
    assert pruner.layers["conv2"].source is pruner.layers["conv1"]
    assert pruner.layers["conv3"].source is None
