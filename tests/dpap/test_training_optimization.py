"""Optimisers, losses, and what an epoch draws."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import dpap
from dpap.data import Split, load_digits
from dpap.training import Trainer, TrainingConfig, accuracy, logit_loss, rate_loss
from dpap.training.epoch import SampleOrders
from dpap.training.optimization import make_optimizer


def some(count=96):
    train, _ = load_digits()
    return Split(train.inputs[:count], train.labels[:count], train.input_max)


def trainer(notation="4C3-AP2-16FC-10FC", **changes):
    torch.manual_seed(0)
    network = dpap.networks.build(notation, (1, 8, 8), 4, input_max=16)
    return Trainer(network, TrainingConfig(**({"epochs": 4, "batch_size": 48} | changes)))


def test_losses_with_smoothed_labels_by_hand():
    # Rates (1, 0), label 0 smoothed by half over two classes: (0.75, 0.25), so 2 * 0.25**2.
    output = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    assert rate_loss(output, torch.tensor([0]), 0.5).item() == 0.125
    # -0.75 * 1 - 0.25 * 0 + log(e + 1)
    expected = -0.75 + np.log(np.e + 1)
    assert logit_loss(output, torch.tensor([0]), 0.5).item() == pytest.approx(expected, rel=1e-6)


def test_the_order_of_an_epoch_is_the_generator_s_turn():
    generator, orders = np.random.default_rng(4), SampleOrders(50, 4)
    drawn = [generator.permutation(50) for _ in range(3)]
    # One after the other, the same epoch again, one that was before, and with some left out.
    for epoch in (1, 2, 2, 3, 1, 3):
        assert np.array_equal(orders(epoch), drawn[epoch - 1])


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.0, False)])
def test_sgd(momentum, nesterov):
    config = TrainingConfig(optimizer="sgd", momentum=momentum, weight_decay=0.1)
    optimizer = make_optimizer(torch.nn.Linear(2, 2), config)
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.defaults["nesterov"] is nesterov
    assert optimizer.defaults["weight_decay"] == 0.1


def test_what_is_fixed_is_not_optimised():
    network = dpap.networks.build("4C3-SumPool2-10FC", (1, 8, 8), 4)
    fixed = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    held = {
        id(p) for group in make_optimizer(network, TrainingConfig()).param_groups for p in group["params"]
    }
    assert fixed and not held & {id(parameter) for parameter in fixed}


def test_a_constant_rate_and_the_norm_of_the_gradient():
    here = trainer(schedule="constant", optimizer="sgd", momentum=0, weight_decay=0, clip_norm=1e-3)
    before = [parameter.detach().clone() for parameter in here.network.parameters()]
    records = [here.next_epoch(some(), some(40)) for _ in range(2)]
    assert [record.learning_rate for record in records] == [here.config.learning_rate] * 2
    moved = sum(
        float((new - old).square().sum()) for new, old in zip(here.network.parameters(), before, strict=True)
    )
    # Four steps of at most rate times norm.
    assert 0 < moved**0.5 <= 4 * here.config.learning_rate * 1e-3 * 1.001


def test_statistics_are_frozen_in_the_last_epochs():
    here = trainer("4C3-BN-AP2-10FC", frozen_statistics=1, epochs=3)
    norm = here.network.layers["conv1"].norm
    seen = []
    for _ in range(3):
        here.next_epoch(some(), some(40))
        seen.append((norm.frozen, norm.running_mean.clone()))
    assert [frozen for frozen, _ in seen] == [False, False, True]
    assert not torch.equal(seen[0][1], seen[1][1])
    assert torch.equal(seen[1][1], seen[2][1])


def test_the_rate_of_several_cycles_by_hand_and_resumed():
    # Half a cosine over two epochs is 1, 0.5; over three 1, 0.75, 0.25. The warm-up halves the first.
    here = trainer(cycles=[2, 3], epochs=5, learning_rate=0.01, warm_up=1)
    rates = [here.next_epoch(some(), some(40)).learning_rate for _ in range(4)]
    assert rates == pytest.approx([0.005, 0.005, 0.01, 0.0075])
    resumed = trainer(cycles=[2, 3], epochs=5, learning_rate=0.01, warm_up=1)
    resumed.network.load_state_dict(here.network.state_dict())
    resumed.load_state_dict(here.state_dict())
    last = [one.next_epoch(some(), some(40)) for one in (here, resumed)]
    assert last[0].learning_rate == pytest.approx(0.0025)
    assert last[0] == last[1]


def test_brief_epochs_learn_with_fewer_steps_and_are_measured_with_all():
    brief = [{"epochs": 1, "time_steps": 1}, {"epochs": 2, "time_steps": 3}]
    here = trainer(brief=brief)
    seen = []
    here.network.layers["fc1"].observers.append(lambda inputs, activity: seen.append(len(activity)))
    records = [here.next_epoch(some(), some(40)) for _ in range(4)]
    # 96 samples are two batches an epoch; the network has four steps.
    assert seen == [1, 1, 3, 3, 3, 3, 4, 4]
    assert {block.time_steps for block in here.network.synaptic_blocks()} == {here.network.time_steps} == {4}
    assert records[-1].test_accuracy == accuracy(here.network, some(40))


def test_brief_epochs_that_do_not_fit_are_refused():
    with pytest.raises(dpap.InputError, match="5 time steps; expected at most the network's 4"):
        trainer(brief=[{"epochs": 1, "time_steps": 5}]).next_epoch(some(), some(40))
    frames = Split(np.zeros((96, 1, 8, 8, 4), np.uint8), np.zeros(96, np.int64), 1, time_steps=4)
    with pytest.raises(dpap.InputError, match="same at every step"):
        trainer(brief=[{"epochs": 1, "time_steps": 2}]).next_epoch(frames, frames)


def test_a_network_keeps_what_it_learned_at_another_number_of_steps():
    network = trainer().network
    images = torch.from_numpy(some(4).inputs).float()
    with network.running(2):
        short = network(images)
    assert (short.shape[2], network(images).shape[2]) == (2, 4)
    assert torch.equal(short, network(images)[:, :, :2])
    with pytest.raises(dpap.NetworkError, match="time_steps is 0"):
        network.time_steps = 0


def test_torch_s_generator_is_left_alone_and_plays_no_part():
    losses = []
    for seed in (1, 2):
        here = trainer("4C3-AP2-DP0.5-16FC-10FC")
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        losses.append([here.next_epoch(some(), some(40)).loss for _ in range(2)])
        assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"warm_up": 61},
        {"brief": [{"epochs": 40, "time_steps": 2}, {"epochs": 21, "time_steps": 4}]},
        {"frozen_statistics": 61},
        {"cycles": [30, 29]},
        {"cycles": [60, 0]},
        {"cycles": [60], "schedule": "constant"},
        {"optimizer": "adam"},
        {"clip_norm": 0},
        {"momentum": 1},
    ],
)
def test_wrong_settings_are_refused(fields):
    with pytest.raises(ValidationError):
        TrainingConfig(**fields)


def test_a_state_from_before_a_setting_existed_is_gone_on_with():
    here = trainer()
    here.next_epoch(some(), some(40))
    state = here.state_dict()
    del state["config"]["cycles"]
    again = trainer()
    again.load_state_dict(state)
    assert again.history == here.history
    with pytest.raises(dpap.InputError, match="another TrainingConfig"):
        trainer(cycles=[2, 2]).load_state_dict(state)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({}, "training: "),
        ({"history": 3}, "history is a int; expected a list of epochs"),
        ({"optimizer": {}}, "optimizer: the state lacks param_groups"),
        ({"schedules": []}, "schedules: expected a list of 1"),
        ({"config": {}}, "training: "),
    ],
)
def test_a_damaged_state_is_refused(damage, said):
    here = trainer()
    here.next_epoch(some(), some(40))
    state = here.state_dict() | damage if damage else {}
    with pytest.raises(dpap.InputError, match=said):
        trainer().load_state_dict(state)
