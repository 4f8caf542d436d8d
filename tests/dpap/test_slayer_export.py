import subprocess
import sys

import pytest
import torch
from factories import firing_network, halved, random_inputs
from lava.lib.dl.slayer.block import cuba
from stock import assert_same_spikes

import dpap

NETWORKS = [
    ("16C3-AP2-32C3-AP2-64FC-10FC", (1, 8, 8), 8, 16),
    ("6C3-AP2-8C5-AP3-20FC-4FC", (2, 13, 15), 20, 1),
    ("AP2-4C3-7FC", (1, 9, 8), 5, 64),
    ("40FC-30FC-10FC", (50,), 12, 1),
    ("Flatten-Flatten-30FC-10FC", (1, 5, 5), 6, 16),
]

NEURONS = [dpap.LIF(), dpap.LIF(threshold=0.8, current_decay=0.3, voltage_decay=0.05)]


def slayer_inputs(network, samples=6):
    return torch.from_numpy(random_inputs(network, samples)).movedim(1, -1).float()


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize(("notation", "shape", "steps", "input_max"), NETWORKS)
def test_spikes_are_equal_both_ways(notation, shape, steps, input_max, neuron):
    # A neuron that forgets less needs less.
    drive = {"gain": 3.0, "excitation": 0.1} if neuron.current_decay == 1 else {"gain": 1.0}
    network = firing_network(notation, shape, steps, input_max=input_max, neuron=neuron, **drive)
    inputs = slayer_inputs(network)
    stock = dpap.to_slayer(network)
    assert_same_spikes(network, stock, inputs)
    assert torch.equal(network(inputs), stock(inputs))
    thresholds = [block.integer_parameters()[2] for block in network.synaptic_blocks()]
    assert [block.neuron.v_th_mant for block in stock if hasattr(block, "neuron")] == thresholds
    again = dpap.from_slayer(stock, shape, steps, input_max)
    assert_same_spikes(again, stock, inputs)
    for before, after in zip(network.synaptic_blocks(), again.synaptic_blocks(), strict=True):
        assert torch.equal(before.integer_parameters()[0], after.integer_parameters()[0])
        assert before.integer_parameters()[2] == after.integer_parameters()[2]


def test_pruned_synapses_are_exact_zeros():
    network = halved(firing_network("8C3-AP2-20FC-10FC", (1, 8, 8), 6, input_max=16, gain=6))
    network.layers["conv1"].mask[2] = 0
    stock = dpap.to_slayer(network)
    convolution, dense = stock[0].synapse.weight, stock[3].synapse.weight
    assert (convolution[2] == 0).all()
    assert (dense.flatten(1)[network.layers["fc1"].mask == 0] == 0).all()
    assert (dense != 0).any()
    assert_same_spikes(network, stock, slayer_inputs(network))


def test_a_voltage_at_a_large_threshold_does_not_fire():
    # Above 4096 SLAYER's own margin is lost in float32, and v = threshold would fire.
    network = dpap.networks.build("1FC", (1,), 1, input_max=255, neuron=dpap.LIF(threshold=1.0))
    network.layers["fc1"].weight.data.fill_(1.0)
    weight, _, threshold, *_ = network.layers["fc1"].integer_parameters()
    assert threshold > 4096
    inputs = torch.tensor([[[threshold // weight.item()]], [[255.0]]])
    assert weight.item() * inputs[0].item() == threshold
    stock = dpap.to_slayer(network)
    assert stock(inputs).flatten().tolist() == network(inputs).flatten().tolist()
    stock[0].neuron.threshold_eps = 0.01 / stock[0].neuron.s_scale
    assert stock(inputs)[0].item() == 1, "so SLAYER's own margin is not enough"
    with pytest.raises(dpap.NetworkError, match=r"block 0 \(cuba.Dense\): its threshold .*threshold_eps"):
        dpap.from_slayer(stock, (1,), 1, 255)


def test_what_is_made_are_stock_blocks_and_our_pool():
    stock = dpap.to_slayer(firing_network("4C3-AP2-10FC", (1, 8, 8), 4))
    assert [type(block) for block in stock] == [cuba.Conv, dpap.slayer.SumPool, cuba.Flatten, cuba.Dense]
    assert not any(block.delay_shift for block in (stock[0], stock[3]))


def test_anything_but_a_network_is_refused():
    with pytest.raises(dpap.InputError, match=r"this is a Linear; expected a dpap Network"):
        dpap.to_slayer(torch.nn.Linear(2, 2))


def test_importing_does_not_import_lava():
    code = (
        "import sys, dpap; dpap.to_slayer, dpap.from_slayer, dpap.DPAP, dpap.slayer.SumPool;"
        "dpap.DPAP(dpap.networks.build('4FC-2FC', (3,), 2));"
        "assert not any(name.split('.')[0] == 'lava' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
