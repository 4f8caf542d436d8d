"""The fast backend: what its options change, and what they must not."""

import numpy as np
import pytest
from factories import firing_network, random_inputs

import deploy
from dpap.errors import InputError


@pytest.fixture(scope="module")
def graph():
    return deploy.compile(firing_network("4C3-AP2-8C3-MP2-12RFC-5FC", (2, 8, 8), 6, bias=True))


@pytest.fixture(scope="module")
def inputs(graph):
    return random_inputs(graph, 75)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("memory_bytes", [1, 1 << 20, 1 << 30])
def test_threads_and_batches_change_nothing(graph, inputs, threads, memory_bytes):
    expected = deploy.run(graph, inputs[:5]), deploy.run(graph, inputs)
    for recording in expected:
        count = len(recording.inputs)
        again = deploy.run(graph, inputs[:count], threads=threads, memory_bytes=memory_bytes)
        for name, spikes in recording.kept.items():
            assert spikes.any()
            assert np.array_equal(again.kept[name], spikes)


def test_the_same_input_at_every_step_is_computed_once_and_right(graph, inputs):
    still = np.broadcast_to(inputs[:, :1], inputs.shape)
    recording = deploy.run(graph, still)
    one_by_one = [deploy.run(graph, still[index : index + 1]).output for index in range(3)]
    assert np.array_equal(recording.output[:3], np.concatenate(one_by_one))


def test_only_what_is_asked_for_is_recorded(graph, inputs):
    recording = deploy.run(graph, inputs[:9], record=["conv1"])
    assert set(recording.kept) == {"conv1", graph.output.name}
    assert np.array_equal(recording.output, deploy.run(graph, inputs[:9]).output)


def test_no_sample(graph, inputs):
    assert deploy.run(graph, inputs[:0]).output.shape == (0, 6, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"threads": 0}, "threads is 0; expected 1 or more"), ({"record": ["fc9"]}, "no layer fc9 to record")],
)
def test_wrong_options_are_refused(graph, inputs, options, message):
    with pytest.raises(InputError, match=message):
        deploy.run(graph, inputs[:1], **options)


def test_a_step_that_does_not_fit_is_refused(graph):
    simulator = deploy.Simulator(graph)
    with pytest.raises(InputError, match=r"has the shape \(3,\); expected \(2, 8, 8\)"):
        simulator.step(np.zeros(3))
    with pytest.raises(InputError, match=r"index \(0, 0, 0\) are -1"):
        simulator.step(np.full((2, 8, 8), -1))
    with pytest.raises(InputError, match="reset_every is 0"):
        deploy.Simulator(graph, reset_every=0)
