"""Every block against stock SLAYER: the same spikes, voltages, and gradients of delays."""

import h5py
import pytest
import torch
from factories import random_inputs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lava.lib.dl import slayer
from lava.lib.dl.slayer.block import cuba
from stock import NEURAL, assert_same_spikes, stock_record

import dpap
from dpap.blocks import Conv, Delay, Dense
from dpap.neurons import membrane
from dpap.neurons.parameters import DECAY_UNITY

NEURON = dpap.LIF(threshold=0.8, current_decay=0.3, voltage_decay=0.05)


def excited(network, seed=0, gain=3.0):
    """Parameters drawn so that layers fire: more excitation, biases of both signs, delays of some steps."""
    generator = torch.Generator().manual_seed(seed)
    for block in network.synaptic_blocks():
        if block.prunable:
            block.weight.data = gain * (block.weight.data + 0.3 * block.weight.data.abs())
        if block.bias is not None:
            block.bias.data = torch.rand(block.bias.shape, generator=generator) * 0.6 - 0.2
        if block.norm is not None:
            shape = block.norm.weight.shape
            block.norm.weight.data = 0.5 + torch.rand(shape, generator=generator)
            block.norm.bias.data = torch.rand(shape, generator=generator) - 0.3
            block.norm.running_mean = torch.rand(shape, generator=generator) - 0.3
            block.norm.running_var = 0.3 + torch.rand(shape, generator=generator)
    for layer in network.layers.values():
        if isinstance(layer, Delay):
            layer.delay.data = torch.rand(layer.delay.shape, generator=generator) * layer.highest
    return network


def built(notation, shape, steps, seed=0, gain=3.0, **options):
    torch.manual_seed(seed)
    return excited(dpap.networks.build(notation, shape, steps, **options).eval(), seed, gain)


def slayer_inputs(network, samples=3, seed=0):
    return torch.from_numpy(random_inputs(network, samples, seed)).movedim(1, -1).float()


decays = st.integers(0, DECAY_UNITY).map(lambda mantissa: mantissa / DECAY_UNITY)


@st.composite
def notations(draw):
    """A notation of a network with a convolution and what may follow it, and the input's shape."""
    height, width, channels = draw(st.integers(5, 9)), draw(st.integers(5, 9)), draw(st.sampled_from([2, 4]))
    kernel = f"{draw(st.integers(1, 3))}x{draw(st.integers(1, 3))}"
    options = f"s{draw(st.integers(1, 2))}p{draw(st.integers(0, 2))}d{draw(st.integers(1, 2))}"
    parts = [f"{draw(st.sampled_from([2, 4, 6]))}C{kernel}{options}g{draw(st.sampled_from([1, 2]))}"]
    if draw(st.booleans()):
        parts.append("BN")
    parts.extend(
        draw(st.permutations(["Delay3", "AP2", "MP2s1p1", "SP2", "SP2s1"]))[: draw(st.integers(0, 2))]
    )
    parts.extend(draw(st.sampled_from([[], ["5FC"], ["5RFC"], ["5FC", "Delay2"], ["Flatten", "Delay4"]])))
    return "-".join([*parts, draw(st.sampled_from(["4FC", "4RFC", "4FC-BN"]))]), (channels, height, width)


@settings(max_examples=12)
@given(
    drawn=notations(),
    steps=st.integers(1, 16),
    input_max=st.sampled_from([1, 16]),
    bias=st.booleans(),
    neuron=st.tuples(st.floats(0.1, 2), st.just(1.0) | decays, decays),
    seed=st.integers(0, 99),
)
def test_all_layers_equal_stock_slayer(drawn, steps, input_max, bias, neuron, seed):
    threshold, current_decay, voltage_decay = neuron
    lif = dpap.LIF(threshold=threshold, current_decay=current_decay, voltage_decay=voltage_decay)
    try:
        network = built(*drawn, steps, seed, input_max=input_max, neuron=lif, bias=bias)
        network.freeze_statistics()
        network(slayer_inputs(network, 1))
    except dpap.NetworkError:
        # A window larger than its input, or states without leak that could leave 24 bits.
        assume(False)
    inputs = slayer_inputs(network, seed=seed)
    stock = dpap.to_slayer(network)
    again = dpap.from_slayer(stock, network.input_shape, steps, input_max)
    # The second batch after the first: nothing of one may reach the next.
    for training, ours in ((False, network), (True, again)):
        ours.train(training), stock.train(training)
        assert_same_spikes(ours, stock, inputs, NEURAL, fires=False)
        assert torch.equal(ours(inputs), network.eval()(inputs))


@pytest.mark.parametrize(
    "notation",
    [
        "6C3x2s2p1d1g2-Delay3-SP2s1-20FC-Delay5-6RFC-4FC",
        "6C3-BN-MP3s2p1-Delay4-8C3g2-SP2-Flatten-Delay6-9RFC-4FC",
        "6C3-Res(6C3-Delay2-6C3)-SP2-Res(4C3-AP3s1p1|4C1-AP3s1p1)-12FC-Res(12FC|12RFC)-4FC",
        "Res(2C3-MP3s1p1)-9FC-4FC",
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_whole_networks_fire_and_equal_stock_slayer_both_ways(notation, bias):
    network = built(notation, (2, 9, 8), 12, gain=1.2, neuron=NEURON, bias=bias)
    inputs = slayer_inputs(network)
    stock = dpap.to_slayer(network)
    assert_same_spikes(network, stock, inputs, NEURAL)
    assert torch.equal(network(inputs), stock(inputs))
    again = dpap.from_slayer(stock, (2, 9, 8), 12)
    assert_same_spikes(again, stock, inputs, NEURAL)
    assert torch.equal(again(inputs), stock(inputs))


@pytest.mark.parametrize("biased", [False, True])
def test_voltages_equal_stock_slayer(biased):
    torch.manual_seed(0)
    block = Conv("conv1", (4, 7, 6), 6, (3, 2), NEURON, 9, 1, stride=2, groups=2, bias=biased)
    network = dpap.networks.Network("", (4, 7, 6), 9, 1, NEURON, {"conv1": block})
    excited(network)
    inputs = torch.randint(0, 2, (3, 4, 7, 6, 9)).float()
    stock = dpap.to_slayer(network)[0]
    integers = block.integer_parameters()
    sums = block.sums_over_time(inputs.permute(4, 0, 1, 2, 3), integers.weight)
    spikes, voltage = membrane(sums, block.dynamics.population(block, integers), integers.bias)
    expected = stock.neuron.dynamics(stock.synapse(inputs))[1] * 4096
    assert 0 < spikes.mean() < 1
    assert torch.equal(voltage.permute(1, 2, 3, 4, 0), expected)


def test_stock_recurrence_leaks_into_the_next_batch_and_ours_does_not():
    network = built("6RFC-3FC", (5,), 4, neuron=NEURON)
    inputs = slayer_inputs(network)
    stock = dpap.to_slayer(network)
    first = stock(inputs)
    assert torch.equal(stock(inputs), first)
    stock[0]._forward_pre_hooks.clear()
    assert not torch.equal(stock(inputs), first)
    dpap.slayer.start_at_rest(stock[0])
    dpap.slayer.start_at_rest(stock[0])
    assert len(stock[0]._forward_pre_hooks) == 1
    assert torch.equal(stock(inputs), first)


def test_the_refractory_period_is_slayers_only_one():
    stock = dpap.to_slayer(built("6C3-4FC", (2, 5, 5), 4))
    assert [block.neuron.device_params["refDelay"] for block in stock if hasattr(block, "neuron")] == [1, 1]


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("position", [(), (3, 2)])
def test_delays_and_their_gradients_are_slayers(position, channels):
    torch.manual_seed(0)
    inputs = torch.randint(0, 2, (3, channels, *position, 7)).float()
    delays = torch.tensor([-1.0, 0.99, 3.5, 70.0])[:channels] if channels > 1 else torch.tensor([2.2])
    stock, ours = slayer.axon.Delay(max_delay=62), Delay(channels)
    stock.delay.data, stock.init, ours.delay.data = delays.clone(), True, delays.clone()
    theirs_in, ours_in = inputs.clone().requires_grad_(), inputs.movedim(-1, 0).clone().requires_grad_()
    theirs, outputs = stock(theirs_in), ours(ours_in)
    assert torch.equal(outputs.movedim(0, -1), theirs)
    grad = torch.randn(theirs.shape)
    theirs.backward(grad)
    outputs.backward(grad.movedim(-1, 0))
    assert torch.equal(ours_in.grad.movedim(0, -1), theirs_in.grad)
    torch.testing.assert_close(ours.delay.grad, stock.delay.grad)
    assert ours.delay.grad.abs().sum() > 0
    assert torch.equal(ours.delay, stock.delay)


def test_biases_survive_slayers_export(tmp_path):
    network = built("6C3-12FC-5RFC-4FC", (2, 6, 6), 5, neuron=NEURON, bias=True)
    # Beyond what SLAYER's own quantiser of means would keep: odd, and larger than 254.
    network.layers["conv1"].bias.data[:2] = torch.tensor([3.0, -3.0])
    stock = dpap.to_slayer(network)
    inputs = slayer_inputs(network)
    assert_same_spikes(network, stock, inputs, NEURAL)
    expected = [block.integer_parameters().bias for block in network.synaptic_blocks()]
    assert expected[0].abs().max() > 254
    assert (expected[0] % 2 != 0).any()
    blocks = [block for block in stock if isinstance(block, NEURAL)]
    for block, bias in zip(blocks, expected, strict=True):
        with h5py.File(tmp_path / "net.net", "w") as file:
            block.export_hdf5(file)
            assert file["bias"][:].tolist() == bias.tolist()
    assert_same_spikes(network, stock, inputs, NEURAL)


def test_a_learned_mean_becomes_the_bias():
    neuron = {"threshold": 1.0, "current_decay": 0.3, "voltage_decay": 0.05}
    norm = slayer.neuron.norm
    for kind in (norm.MeanOnlyBatchNorm, norm.WgtScaleBatchNorm):
        torch.manual_seed(0)
        stock = torch.nn.Sequential(
            cuba.Conv({**neuron, "norm": kind}, 2, 6, 3, delay_shift=False, weight_scale=4),
            cuba.Flatten(),
            cuba.Dense({**neuron, "norm": norm.MeanOnlyBatchNorm}, 6 * 4 * 4, 5, delay_shift=False),
        )
        inputs = torch.randint(0, 2, (4, 2, 6, 6, 8)).float()
        for _ in range(3):
            stock(inputs)
        if kind is norm.WgtScaleBatchNorm:
            stock[0].neuron.norm.running_var.fill_(0.9)
        stock.eval()
        network = dpap.from_slayer(stock, (2, 6, 6), 8)
        assert all(block.bias.abs().max() > 0 for block in network.synaptic_blocks())
        assert_same_spikes(network, stock, inputs, fires=False)
        assert network.record(inputs)["conv1"].mean() > 0


def test_a_bias_behind_delayed_layers_is_refused():
    stock = dpap.to_slayer(built("5FC-4FC", (6,), 5, bias=True))
    stock[0].delay_shift = True
    with pytest.raises(
        dpap.NetworkError, match=r"block 1 .* a bias .* comes 1 steps late.*delay_shift=False"
    ):
        dpap.from_slayer(stock, (6,), 5)


def test_additions_of_different_lag_are_refused():
    stock = dpap.to_slayer(built("5FC-Res(5FC)-4FC", (6,), 5))
    stock.blocks[1].delay_shift = True
    with pytest.raises(dpap.NetworkError, match=r"block 2 \(Addition\) adds layers that come 1 and 0 steps"):
        dpap.from_slayer(stock, (6,), 5)


@pytest.mark.parametrize("size", [(8, 7), (8, 8), (9, 5)])
@pytest.mark.parametrize("window", [2, (2, 3)])
def test_stock_pools_are_taken_with_the_zeros_that_they_add(size, window):
    torch.manual_seed(0)
    neuron = {"threshold": 1.2, "current_decay": 0.3, "voltage_decay": 0.05}
    pool = cuba.Pool(dict(neuron), window, delay_shift=False, delay=True)
    stock = torch.nn.Sequential(pool, cuba.Flatten(), cuba.Flatten())
    inputs = torch.randint(0, 2, (3, 3, *size, 6)).float()
    shape = pool(inputs).shape[1:-1]
    stock[2] = cuba.Dense(dict(neuron), shape.numel(), 4, delay_shift=False, weight_scale=3)
    network = dpap.from_slayer(stock, (3, *size), 6)
    assert network.layers["pool1"].output_shape == shape
    assert_same_spikes(network, stock, inputs, NEURAL, fires=False)
    assert 0 < network.record(inputs)["pool1"].mean() < 1
    assert_same_spikes(network, dpap.to_slayer(network), inputs, NEURAL, fires=False)


def test_pools_that_stock_would_mix_become_grouped_convolutions():
    network = built("3C3-SP3-4FC", (2, 8, 8), 6)
    stock = dpap.to_slayer(network)
    assert [type(block) for block in stock] == [cuba.Conv, cuba.Conv, cuba.Flatten, cuba.Dense]
    assert stock[1].synapse.groups == 3
    assert_same_spikes(network, stock, slayer_inputs(network), NEURAL)
    assert type(dpap.to_slayer(built("3C3-SP2-4FC", (2, 8, 8), 6))[1]) is cuba.Pool


def test_delays_and_dropout_belong_to_the_block_before_where_it_has_no_other_target():
    stock = dpap.to_slayer(built("3C3-DP0.25-Delay4-AP2-Delay3-5RFC-DP0.5-4FC", (2, 8, 8), 6))
    kinds = [cuba.Conv, dpap.slayer.SumPool, slayer.axon.Delay, cuba.Flatten, cuba.Recurrent]
    assert [type(block) for block in stock] == [*kinds, slayer.neuron.Dropout, cuba.Dense]
    assert stock[0].neuron.drop.p == 0.25
    assert stock[0].delay.max_delay == 4
    assert stock[5].p == 0.5
    network = dpap.from_slayer(stock, (2, 8, 8), 6)
    assert list(network.layers) == [
        *("conv1", "dropout1", "delay1", "pool1", "delay2", "flatten1", "fc1", "dropout2", "fc2")
    ]
    assert network.layers["dropout1"].probability == 0.25
    assert network.layers["pool1"].output_shape("", (3, 8, 8)) == (3, 4, 4)
    assert [block.rounds for block in network.synaptic_blocks()] == [False, True, True]


def test_dropout_acts_in_training_alone_on_both_sides():
    network = built("40FC-DP0.5-4FC", (6,), 8)
    stock, inputs = dpap.to_slayer(network), slayer_inputs(network, 20)
    assert torch.equal(network(inputs), stock(inputs))
    silent = stock_record(stock, inputs)[0].sum(-1) == 0
    dropped = stock_record(stock.train(), inputs)[0].sum(-1) == 0
    assert (dropped & ~silent).float().mean() > 0.3 * (~silent).float().mean()


def test_a_stock_block_before_its_first_pass_has_no_delays_yet():
    neuron = {"threshold": 1.0, "current_decay": 0.3, "voltage_decay": 0.05}
    stock = torch.nn.Sequential(cuba.Dense(neuron, 6, 4, delay=True, delay_shift=False))
    network = dpap.from_slayer(stock, (6,), 5)
    assert network.layers["delay1"].steps.tolist() == [0] * 4


def test_pruned_neurons_with_biases_and_norms_are_silent_on_both_sides():
    for notation in ("6C3-4FC", "6C3-BN-4FC"):
        network = built(notation, (2, 6, 6), 6, bias=True)
        block = network.layers["conv1"]
        (block.bias if block.norm is None else block.norm.bias).data.fill_(5.0)
        inputs = slayer_inputs(network)
        assert (network.record(inputs)["conv1"].sum((0, 1, 3, 4)) > 0).all()
        block.mask[2] = 0
        stock = dpap.to_slayer(network)
        assert network.record(inputs)["conv1"][:, :, 2].sum() == 0
        assert_same_spikes(network, stock, inputs, fires=False)


def test_a_neuron_that_fires_by_its_bias_alone_is_taken_so():
    stock = dpap.to_slayer(built("5FC-4FC", (6,), 5, bias=True))
    stock[0].synapse.weight.data[1] = 0
    stock[0].neuron.norm.running_mean[1] = -10.0
    mask = torch.ones(5, 6)
    mask[1] = 0
    torch.nn.utils.prune.custom_from_mask(stock[0].synapse, "weight", mask.view(5, 6, 1, 1, 1))
    inputs = torch.zeros(2, 6, 5)
    network = dpap.from_slayer(stock, (6,), 5)
    assert stock_record(stock, inputs)[0][:, 1].sum() > 0
    assert_same_spikes(network, stock, inputs, fires=False)


def test_graphs_that_are_none_are_refused():
    with pytest.raises(dpap.NetworkError, match="0 blocks have 1 sources; expected one each"):
        dpap.slayer.Graph([], [(-1,)])
    with pytest.raises(dpap.NetworkError, match=r"block 0 has the sources \(0,\); expected .* from -1"):
        dpap.slayer.Graph([cuba.Flatten()], [(0,)])
    blocks = [cuba.Flatten(), cuba.Dense({"threshold": 1, "current_decay": 1, "voltage_decay": 1}, 8, 4)]
    with pytest.raises(dpap.NetworkError, match=r"block 1 \(cuba.Dense\) has 2 sources; only .*Addition"):
        dpap.from_slayer(dpap.slayer.Graph(blocks, [(-1,), (0, -1)]), (2, 2, 2), 3)


def test_dense_alone_is_exact_at_one_step():
    block = Dense("fc1", 3, 2, dpap.LIF(threshold=1.0), 1, bias=True)
    block.weight.data, block.bias.data = torch.tensor([[1.0, -1, 0], [0.5, 0.5, 0.5]]), torch.tensor([0.1, 0])
    network = dpap.networks.Network("", (3,), 1, 1, block.neuron, {"fc1": block})
    inputs = torch.tensor([[[1.0], [0.0], [0.0]], [[1.0], [1.0], [1.0]]])
    # Neuron 0: 1 + 0.1 > 1 fires, then 1 - 1 + 0.1 does not. Neuron 1: 0.5 does not, 1.5 > 1 does.
    assert network(inputs)[..., 0].tolist() == [[1, 0], [0, 1]]
    assert torch.equal(dpap.to_slayer(network)(inputs), network(inputs))
