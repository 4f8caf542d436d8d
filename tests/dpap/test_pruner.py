import copy
import re
from pathlib import Path

import pytest
import torch
from factories import firing_network
from handmade_layers import chain

import dpap
from dpap.plasticity import importance as registry

PAGE = Path(dpap.__file__).parent / "pruning" / "README.md"


def blocks_of_code():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def own_criteria(monkeypatch):
    monkeypatch.setattr(registry, "_CRITERIA", dict(registry._CRITERIA))


@pytest.mark.usefixtures("own_criteria")
def test_the_pages_criterion_prunes_to_its_target():
    code = blocks_of_code()[0]
    assert len(code.strip().splitlines()) < 40
    names = {}
    exec(code, names)
    network = firing_network("6C3-AP2-20FC-5FC", (1, 8, 8), 4, input_max=16).train()
    pruner = dpap.DPAP(network, names["config"])
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        network(torch.randint(0, 17, (6, 1, 8, 8), generator=generator).float())
        pruner.after_batch()
        pruner.after_epoch()
    assert pruner.pruning_rate == pytest.approx(0.5, abs=0.02)


def test_the_pages_pruner_prunes():
    code = blocks_of_code()[1]
    assert len(code.strip().splitlines()) < 40
    names = {}
    exec(code, names)
    pruner = names["pruner"]
    # 0.9^5 = 0.59 of fc1's 32 x 128 synapses are left; conv1 is left out, the output is not pruned.
    assert pruner.pruning_rates == {"conv1": 0, "fc1": pytest.approx(1 - 0.9**5, abs=0.001), "fc2": 0}
    assert isinstance(pruner, dpap.Pruner)


class FirstNeuron(dpap.Pruner):
    """Prunes one neuron of every layer in its first epoch."""

    def develop(self):
        if self.epoch == 0:
            for layer in self.prunable_layers:
                layer.neuron_alive[0] = False


def test_what_the_base_class_gives():
    network = chain(3, 4, 5, 2)
    pruner = FirstNeuron(network, left_out=("fc2",))
    pruner.after_batch()
    pruner.after_epoch()
    assert pruner.epoch == 1
    assert pruner.neurons_pruned == {"fc1": 0.25, "fc2": 0, "fc3": 0}
    # fc1 loses 3 of 12 synapses, fc2 loses the synapses of its neuron: 5 of 20; fc3 keeps its 10. 8 of 42.
    assert pruner.pruning_rates == {"fc1": 0.25, "fc2": 0.25, "fc3": 0}
    assert pruner.pruning_rate == pytest.approx(8 / 42)
    assert network.handmade[1].mask[:, 0].sum() == 0
    other = FirstNeuron(chain(3, 4, 5, 2), left_out=("fc2",))
    other.load_state_dict(copy.deepcopy(pruner.state_dict()))
    assert other.epoch == 1
    assert torch.equal(other.masks["fc1"], pruner.masks["fc1"])
    other.after_epoch()
    assert other.pruning_rate == pruner.pruning_rate


def test_the_base_class_itself_decides_nothing():
    with pytest.raises(TypeError, match="develop"):
        dpap.Pruner(chain(3, 4, 2))


def test_layers_to_leave_out_must_exist():
    with pytest.raises(dpap.InputError, match="left_out names fc8; the network's layers are fc1, fc2"):
        FirstNeuron(chain(3, 4, 2), left_out=("fc8",))


def test_what_a_mask_lacks_already_stays_pruned():
    network = chain(3, 4, 2)
    network.handmade[0].mask[1] = 0
    network.handmade[0].mask[2, 0] = 0
    pruner = FirstNeuron(network)
    pruner.apply_masks()
    assert network.handmade[0].mask.tolist() == [[1, 1, 1], [0, 0, 0], [0, 1, 1], [1, 1, 1]]
    assert network.handmade[1].mask.tolist() == [[1, 0, 1, 1]] * 2
