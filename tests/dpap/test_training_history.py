"""Histories, convergence, and the pruning history."""

import numpy as np
import pytest
import torch
from factories import firing_network

import dpap
from dpap.pruning import PruningHistory
from dpap.training import EpochRecord, convergence, epochs_to_reach, history_csv, read_history


def history(*accuracies):
    return [EpochRecord(epoch, 1.0, 0.0, accuracy, 0.0) for epoch, accuracy in enumerate(accuracies, 1)]


def test_convergence_by_hand():
    # The control is best (0.9) in its 4th and 6th epochs; the other has that in its 2nd: twice as fast.
    control = history(0.5, 0.8, 0.85, 0.9, 0.7, 0.9)
    found = convergence(history(0.6, 0.95, 0.2), control)
    assert (found.accuracy, found.control_epochs, found.epochs) == (0.9, 4, 2)
    assert found.speedup == 2
    never = convergence(history(0.1, 0.89), control)
    assert never.epochs is None and never.speedup is None
    assert epochs_to_reach(control, 0.8) == 2
    with pytest.raises(dpap.InputError, match="control's history has no epochs"):
        convergence(control, [])
    assert epochs_to_reach([*history(None), *control], 0.8) == 2
    with pytest.raises(dpap.InputError, match="epoch 1 of the control was not tested"):
        convergence(control, history(None))
    with pytest.raises(dpap.InputError, match="epoch 2 of the run was not tested"):
        convergence(history(0.5, None), control)


def test_the_accuracy_on_what_was_not_learned_from():
    assert EpochRecord(1, 1.0, 0.25, 0.5, 0.0, 0.75).held_out == ("test", 0.5)
    assert EpochRecord(1, 1.0, 0.25, 0.0, 0.0, 0.75).held_out == ("test", 0.0)
    assert EpochRecord(1, 1.0, 0.25, None, 0.0, 0.75).held_out == ("validation", 0.75)
    assert EpochRecord(1, 1.0, 0.25, None, 0.0).held_out == ("training", 0.25)


def test_a_history_comes_back_from_its_file(tmp_path):
    path = tmp_path / "history.csv"
    full = [EpochRecord(1, 0.1 + 0.2, 1 / 3, 0.5, 0.25, 0.75, 1e-3, 2.5), EpochRecord(2, 0, 0, 0, 0, 0, 0, 0)]
    histories = {"dpap": full, "none": history(0.5)}
    histories["untested"] = [EpochRecord(1, 1.0, 0.5, None, 0.5, 0.75)]
    histories["budget"] = [EpochRecord(1, 1.0, 0.5, 0.5, 0.5, budget=5e-6)]
    path.write_text(history_csv(histories))
    assert read_history(path) == histories
    assert read_history(path)["dpap"][0].seconds == 2.5
    path.write_text(history_csv({"untested": histories["untested"]}))
    assert "test" not in path.read_text().splitlines()[0]
    assert read_history(path) == {"untested": histories["untested"]}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("network,epoch,loss,train_accuracy,test_accuracy,pruning_rate\na,1,nan,0,0,0\n", "line 2: a value"),
        (
            "network,epoch,loss,train_accuracy,test_accuracy,pruning_rate\na,x,1,0,0,0\n",
            "line 2: not an epoch",
        ),
        ("network,epoch,loss\na,1,1\n", "line 2: not an epoch"),
        (
            "network,epoch,loss,train_accuracy,test_accuracy,pruning_rate\na,1,1\n",
            "line 2: expected the columns",
        ),
        ("epoch,colour\n1,red\n", "line 2: expected the columns"),
        ('network,epoch\na,"1', "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_damaged_history_is_named(tmp_path, text, part):
    path = tmp_path / "history.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(dpap.InputError, match=rf"history\.csv.*{part}"):
        read_history(path)


def developed(epochs):
    """A pruner and its record, and the survival functions of fc1's synapses after each epoch."""
    network = firing_network("4C3-AP2-8FC-10FC", (1, 8, 8), 4, input_max=16).train()
    # Synapses of the smallest weights are pruned after three epochs, others later, and large ones never.
    dense = dpap.SurvivalConfig(epsilon=1.2, protection=2.0, eta=13.0, neurons=False)
    config = dpap.DPAPConfig(beta=3, dense=dense, importance="magnitude")
    pruner = dpap.DPAP(network, config)
    record, survival, alive, importance = PruningHistory(pruner), [], [], []
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        network(torch.randint(0, 17, (16, 1, 8, 8), generator=generator).float())
        pruner.after_batch()
        pruner.after_epoch()
        record.record()
        layer = pruner.layers["fc1"]
        survival.append(layer.synapse_survival.flatten().clone())
        alive.append(layer.synapse_alive.flatten().clone())
        importance.append(layer.appraised[0].flatten().clone() if layer.appraised else None)
    return pruner, record, survival, alive, importance


def test_units_have_their_last_eight_survival_functions(tmp_path):
    pruner, record, survival, alive, importance = developed(12)
    record.save(tmp_path / "development.npz")
    with np.load(tmp_path / "development.npz") as arrays:
        pruned_in, kept = arrays["fc1/synapses/died"], arrays["fc1/synapses/survival"]
        means, places = arrays["fc1/synapses/importance"], arrays["fc1/synapses/places"]
        assert arrays["fc1/pruning_rate"][-1] == pruner.pruning_rates["fc1"]
        assert arrays["fc1/neurons_alive"][-1] == int(pruner.layers["fc1"].neuron_alive.sum())
        assert (np.diff(arrays["fc1/pruning_rate"]) >= 0).all()
        lowest, highest = arrays["fc1/synapses/quantiles"][-1, [0, -1]]
        assert "fc2/synapses/died" not in arrays.files
    assert np.array_equal(places, np.arange(len(places)))
    remaining = survival[-1][alive[-1]]
    assert (lowest, highest) == (remaining.min().item(), remaining.max().item())
    assert (pruned_in == 0).any() and ((pruned_in > 0) & (pruned_in < 8)).any() and (pruned_in > 8).any()
    for unit, epoch in enumerate(pruned_in):
        last = epoch or 12
        assert bool(alive[-1][unit]) == (epoch == 0)
        expected = [float(values[unit]) for values in survival[max(0, last - 8) : last]]
        got = kept[:, unit]
        assert got[8 - len(expected) :].tolist() == expected
        assert np.isnan(got[: 8 - len(expected)]).all()
        if epoch:
            assert got[-1] < 0
        appraised = [float(values[unit]) for values in importance[:last] if values is not None]
        assert means[unit] == pytest.approx(np.mean(appraised))


def test_a_record_goes_on_from_its_state():
    _, whole, *_ = developed(10)
    pruner, record, *_ = developed(6)
    again = PruningHistory(pruner)
    again.load_state_dict(record.state_dict())
    assert (
        again.pruning_rates
        == record.pruning_rates
        == {name: rates[:6] for name, rates in whole.pruning_rates.items()}
    )
    for key, unit in record.units.items():
        for name, values in unit.state_dict().items():
            assert torch.equal(values.nan_to_num(), again.units[key].state_dict()[name].nan_to_num())
    other = PruningHistory(dpap.DPAP(firing_network("4C3-AP2-9FC-10FC", (1, 8, 8), 4, input_max=16)))
    with pytest.raises(dpap.InputError, match="development"):
        other.load_state_dict(record.state_dict())
    for damage in (None, {}, {**record.state_dict(), "units": {}}):
        with pytest.raises(dpap.InputError, match=r"^development[:,] "):
            again.load_state_dict(damage)


def test_large_layers_are_sampled_evenly():
    network = firing_network("200FC-10FC", (100,), 2)
    record = PruningHistory(dpap.DPAP(network))
    places = record.units["fc1", "synapses"].places
    # 20,000 synapses, 4096 of them: every 4.88th.
    assert len(places) == len(set(places.tolist())) == 4096
    assert places[0] == 0 and set(places.diff().tolist()) == {4, 5} and places[-1] == 4095 * 20000 // 4096
