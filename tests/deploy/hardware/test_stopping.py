import json
from dataclasses import replace

import numpy as np
import pytest
from factories import firing_network, random_inputs, with_random_states
from handmade import dense, graph, recording

import deploy
from deploy.ir import INPUT


def three_samples():
    """Two classes over four steps; class 0 is right for the first two samples, class 1 for the third.

    Spikes so far: sample 0: (1,0) (2,0) (3,0) (4,0); sample 1: (0,1) (1,1) (2,1) (3,1); sample 2: (0,0) (0,1)
    (0,2) (0,3).
    """
    network = graph((1,), [dense("out", INPUT, [[2], [2]])], time_steps=4)
    spikes = np.array(
        [
            [[1, 0], [1, 0], [1, 0], [1, 0]],
            [[0, 1], [1, 0], [1, 0], [1, 0]],
            [[0, 0], [0, 1], [0, 1], [0, 1]],
        ]
    )
    inputs = np.array([[[1], [1], [1], [1]], [[1], [0], [0], [0]], [[0], [1], [1], [0]]])
    return recording(network, inputs, out=spikes), np.array([0, 0, 1])


def energy_of_steps(run, chosen):
    """Picojoules by SANA-FE's costs of samples and steps, from what they did."""
    events = 2 * run.inputs[..., 0][chosen].sum()
    fired = run.kept["out"][chosen].sum()
    steps = np.count_nonzero(chosen)
    # Two neurons accessed in each step and updated where a spike arrives, two dense events for it.
    return 35.5 * events + steps * 2 * 51.2 + events * 21.6 + fired * 69.3


def test_accuracy_and_energy_after_each_step_by_hand():
    run, labels = three_samples()
    result = deploy.early_exit(run, labels)
    # Right: after step 1 sample 0 alone (1 says 1; 2 has no spike, and the lowest is taken: 0); after step 2
    # sample 1 has a tie, which goes to 0, and sample 2 says 1: all.
    assert result.accuracy == pytest.approx((1 / 3, 1, 1, 1))
    for step, energy in enumerate(result.energy["sanafe_fit"], 1):
        chosen = np.zeros((3, 4), bool)
        chosen[:, :step] = True
        assert energy * 1e12 == pytest.approx(energy_of_steps(run, chosen) / 3)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()


@pytest.mark.parametrize(
    "curve, wanted, step",
    [
        ((0.2, 0.6, 0.9, 0.9), 0.6, 2),
        ((0.2, 0.6, 0.9, 0.9), 0.95, None),
        ((0.2, 0.6, 0.9, 0.9), 0.1, 1),
        # It has to stay: a chance hit does not count.
        ((0.9, 0.5, 0.8, 0.9), 0.8, 3),
    ],
)
def test_the_step_for_a_wanted_accuracy(curve, wanted, step):
    from deploy.hardware.stopping import EarlyExit

    assert EarlyExit("loihi1", None, curve, {}, {}).step_for(wanted) == step


def test_the_last_step_takes_what_the_estimate_says():
    network = firing_network("4C3-AP2-12FC-5FC", (1, 6, 6), 5, input_max=3)
    run = deploy.run(deploy.compile(network), random_inputs(network, 6))
    labels = np.arange(6) % 5
    for target in ("loihi1", "spinnaker2"):
        whole = deploy.estimate(deploy.measure(run.graph, run), target)
        result = deploy.early_exit(run, labels, target)
        for name in whole.energy:
            assert result.energy[name][-1] == pytest.approx(whole.energy[name])
            if whole.latency[name] is None:
                assert result.time[name][-1] is None
            else:
                assert result.time[name][-1] == pytest.approx(whole.latency[name])
    assert result.accuracy[-1] == run.accuracy(labels)


@pytest.mark.parametrize("notation", ["12RFC-5FC", "8FC-Delay2-Res(8FC)-5FC"])
def test_a_stop_takes_what_an_inference_of_so_many_steps_takes(notation):
    network = with_random_states(firing_network(notation, (6,), 5))
    run = deploy.run(deploy.compile(network), random_inputs(network, 6))
    shorter = replace(
        run, inputs=run.inputs[:, :3], kept={name: run.kept[name][:, :3] for name in list(run.kept)}
    )
    stop = deploy.early_exit(run, np.zeros(6, int))
    whole = deploy.estimate(deploy.measure(run.graph, shorter))
    for name in whole.energy:
        assert stop.energy[name][2] == whole.energy[name] < stop.energy[name][3]
        assert stop.time[name][2] == whole.latency[name]


def test_samples_that_are_confident_stop_by_themselves():
    run, labels = three_samples()
    # Lead a step: sample 0: 1; sample 1: 1 at once, for the wrong class; sample 2: 0, 1/2, 2/3, 3/4.
    result = deploy.stop_when_confident(run, labels, 0.6)
    assert result.stopped == (2, 0, 1, 0)
    assert result.mean_steps == pytest.approx((1 + 1 + 3) / 3)
    assert result.accuracy == pytest.approx(2 / 3)
    chosen = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], bool)
    assert result.energy["sanafe_fit"] * 1e12 == pytest.approx(energy_of_steps(run, chosen) / 3)
    # No sample is ever so sure but sample 0 and the first step of sample 1.
    assert deploy.stop_when_confident(run, labels, 1.0).stopped == (2, 0, 0, 1)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()


def test_what_cannot_stop_is_refused():
    run, labels = three_samples()
    with pytest.raises(deploy.HardwareError, match=r"cpu_i7_4960x .* without time steps"):
        deploy.early_exit(run, labels, "cpu_i7_4960x")
    with pytest.raises(ValueError, match=r"labels have the shape \(2,\); the recording has 3 samples"):
        deploy.early_exit(run, labels[:2])
    for confidence in (0, 1.5, float("nan"), -1):
        with pytest.raises(ValueError, match="confidence is"):
            deploy.stop_when_confident(run, labels, confidence)
    with pytest.raises(ValueError, match="accuracy is 2"):
        deploy.early_exit(run, labels).step_for(2)
