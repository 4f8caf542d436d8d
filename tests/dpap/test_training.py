import functools

import numpy as np
import pytest
import torch

import dpap
from dpap.data import Split, load_digits
from dpap.training import TrainingConfig, accuracy, rate_loss, train
from dpap.training.epoch import EvaluationMetrics, evaluate, learn_epoch
from dpap.training.trainer import Trainer


def small(split, count=128):
    return Split(split.inputs[:count], split.labels[:count], split.input_max)


def network(seed=0):
    torch.manual_seed(seed)
    return dpap.networks.build("8C3-AP2-32FC-10FC", (1, 8, 8), 4, input_max=16)


def test_rate_loss_by_hand():
    # Rates (1, 0.5) for class 0: 0 + 0.25; rates (0, 0) for class 1: 0 + 1. Mean 0.625.
    output = torch.tensor([[[1.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert rate_loss(output, torch.tensor([0, 1])).item() == 0.625


def test_classes_that_stay_silent_are_named():
    # Class 1 fires in the second batch alone, class 2 never.
    outputs = iter([torch.tensor([[[1.0], [0.0], [0.0]]]), torch.tensor([[[0.0], [1.0], [0.0]]])])
    weight = torch.nn.Parameter(torch.ones(()))
    learned = learn_epoch(
        lambda _: next(outputs) * weight,
        torch.optim.SGD([weight], lr=0.0),
        iter([(torch.zeros(1), torch.tensor([0]), 1)] * 2),
        rate_loss,
    )
    assert learned.silent == (2,)
    assert learned.accuracy == 0.5


def test_digits_are_split_once_and_for_all():
    (train_split, test_split), (again, _) = load_digits(), load_digits()
    assert train_split.inputs.shape == (1347, 1, 8, 8)
    assert test_split.inputs.shape == (450, 1, 8, 8)
    assert train_split.inputs.dtype == np.uint8
    assert train_split.inputs.max() == test_split.inputs.max() == 16
    assert np.array_equal(train_split.inputs, again.inputs)
    # Stratified: each class has 174 to 183 of 1797 images, a quarter of which is 43 to 46.
    assert set(np.bincount(test_split.labels)) <= {43, 44, 45, 46}
    seen = {image.tobytes() for image in train_split.inputs}
    assert sum(image.tobytes() in seen for image in test_split.inputs) == 0


def test_inputs_over_time_are_a_view():
    _, test_split = load_digits()
    inputs = test_split.over_time(5, 3)
    assert inputs.shape == (3, 5, 1, 8, 8)
    assert np.shares_memory(inputs, test_split.inputs)
    assert (inputs[:, 4] == test_split.inputs[:3]).all()


def test_it_learns():
    train_split, test_split = load_digits()
    net = network()
    before = accuracy(net, test_split)
    history = train(net, train_split, test_split, TrainingConfig(epochs=6))
    assert [record.epoch for record in history] == list(range(1, 7))
    assert history[-1].test_accuracy > max(0.7, before + 0.3)
    assert history[-1].loss < history[0].loss
    assert history[-1].test_accuracy == accuracy(net, test_split)


def test_the_same_seed_gives_the_same_weights():
    train_split, test_split = load_digits()
    weights = []
    for _ in range(2):
        net = network(7)
        train(net, small(train_split), small(test_split), TrainingConfig(epochs=2, seed=7), dpap.DPAP(net))
        weights.append(net.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_accuracy_takes_the_lowest_of_equals():
    net = network()
    for block in net.synaptic_blocks():
        block.weight.data.zero_()
    inputs = np.zeros((4, 1, 8, 8), np.uint8)
    # Nothing fires, so every class is equal and 0 is taken: right for two of four.
    assert accuracy(net, Split(inputs, np.array([0, 1, 0, 2]), 16)) == 0.5


def test_the_loss_of_a_network_is_the_mean_over_samples():
    net = network()
    for block in net.synaptic_blocks():
        block.weight.data.zero_()
    split = Split(np.zeros((3, 1, 8, 8), np.uint8), np.array([0, 4, 9]), 16)
    # Nothing fires: all rates are 0, the label's should be 1, and a third of the samples are of class 0.
    assert evaluate(net, split, rate_loss) == EvaluationMetrics(accuracy=1 / 3, loss=1.0)
    assert evaluate(net, split) == EvaluationMetrics(accuracy=1 / 3, loss=None)


def test_batches_of_a_measurement_weigh_as_many_samples_as_they_have():
    _, test_split = load_digits()
    net, split = network(3).eval(), small(test_split)
    inputs, labels = split.batch(np.arange(len(split))), split.labels
    whole = rate_loss(net(torch.from_numpy(inputs)), torch.from_numpy(labels))
    uneven = evaluate(net, split, rate_loss, batch_size=len(split) - 1).loss
    assert uneven == pytest.approx(whole.item(), rel=1e-6)


def test_what_is_held_back_is_measured_after_every_epoch():
    train_split, test_split = load_digits()
    net, held_back = network(), small(test_split)
    trainer = Trainer(net, TrainingConfig(epochs=2, label_smoothing=0.1))
    for _ in range(2):
        record = trainer.next_epoch(train_split, None, held_back)
    smoothed = functools.partial(rate_loss, smoothing=0.1)
    assert evaluate(net, held_back, smoothed) == EvaluationMetrics(
        record.validation_accuracy, record.validation_loss
    )
    assert record.validation_loss != trainer.history[0].validation_loss


def test_weights_that_are_not_finite_stop_training():
    train_split, test_split = load_digits()
    net = network()
    net.layers["fc1"].weight.data[0, 0] = float("nan")
    with pytest.raises(dpap.InputError, match="fc1: a weight is nan"):
        train(net, small(train_split), small(test_split), TrainingConfig(epochs=1))


def test_the_pruner_is_called_after_every_batch_and_epoch():
    train_split, test_split = load_digits()
    calls = []

    class Witness:
        pruning_rate = 0.25

        def after_batch(self):
            calls.append("batch")

        def after_epoch(self):
            calls.append("epoch")

    records = []
    config = TrainingConfig(epochs=2, batch_size=50)
    train(network(), small(train_split), small(test_split), config, Witness(), records.append)
    assert calls == ["batch", "batch", "batch", "epoch"] * 2
    assert [record.pruning_rate for record in records] == [0.25, 0.25]
