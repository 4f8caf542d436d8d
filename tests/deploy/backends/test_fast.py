"""The fast backend: what its options change, and what they must not."""

import numba
import numpy as np
import pytest
from factories import firing_network, random_inputs

import deploy
from deploy.simulator import KERNELS, KernelChoice, dense, event_driven, events, kernels, load_costs, plan
from deploy.simulator.compilation import batch_calls, compile_kernels
from deploy.simulator.latency import StepTimes
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


def compiled_kernels():
    """How many versions of each kernel there are by now."""
    found = (dense, event_driven, events, kernels)
    functions = [value for module in found for value in vars(module).values() if hasattr(value, "overloads")]
    return {(function.__module__, function.__name__): len(function.overloads) for function in functions}


@pytest.mark.parametrize("kernel", [None, *KERNELS])
@pytest.mark.parametrize("notation", ["4C3-AP2-8C3-MP2-12RFC-5FC", "2C3-Res(2C3-2C3)-AP2-8FC-Delay2-5FC"])
def test_every_kernel_is_compiled_before_the_run(notation, kernel):
    graph = deploy.compile(firing_network(notation, (2, 8, 8), 4))
    compile_kernels(batch_calls(plan(graph), np.dtype(np.uint8), KernelChoice(load_costs(), kernel)))
    before = compiled_kernels()
    generator = np.random.default_rng(0)
    for rate in (0.0, 0.01, 1.0):
        inputs = random_inputs(graph, 9)
        deploy.run(graph, inputs * (generator.random(inputs.shape) < rate), kernel=kernel)
    assert compiled_kernels() == before


def test_progress_reports_each_kernel():
    @numba.njit
    def double(x):
        return 2 * x

    @numba.njit
    def half(x):
        return x / 2

    reported = []
    calls = [(double, (1,)), (half, (1,)), (double, (2,)), (double, (1.0,))]
    compile_kernels(calls, lambda *report: reported.append(report))
    # double of an integer is needed once.
    here = __name__.rpartition(".")[2]
    assert reported == [
        (f"{here}.double", 0, 3),
        (f"{here}.half", 1, 3),
        (f"{here}.double", 2, 3),
        ("", 3, 3),
    ]
    compile_kernels(calls, lambda *report: reported.append(report))
    assert len(reported) == 4


def test_a_simulator_compiles_before_its_first_step(graph, inputs):
    simulator = deploy.Simulator(graph)
    before = compiled_kernels()
    simulator.step(inputs[0, 0])
    assert compiled_kernels() == before


def test_latency_of_steps(graph, inputs):
    simulator = deploy.Simulator(graph, timed_steps=4)
    assert simulator.latency.steps == 0
    assert np.isnan(simulator.latency.median)
    for step in inputs[0]:
        simulator.step(step)
    # Six steps, of which the last four are kept; a reset of the states is none of the times.
    simulator.reset()
    found = simulator.latency
    assert found.steps == 4
    assert 0 < found.median <= found.percentile_99 <= found.longest < 10
    simulator.reset_latency()
    assert simulator.latency.steps == 0
    with pytest.raises(InputError, match="timed_steps is 0; expected 1 step or more"):
        deploy.Simulator(graph, timed_steps=0)


def test_the_percentile_of_known_times():
    times = StepTimes(1000)
    for microseconds in range(1, 201):
        times.add(microseconds * 1e-6)
    found = times.latency()
    # Of 1 to 200 the median is 100.5; 99 % of the way from the first to the last is 198.01, the next is 199.
    assert found.steps == 200
    assert found.median == pytest.approx(100.5e-6)
    assert found.percentile_99 == pytest.approx(199e-6)
    assert found.longest == pytest.approx(200e-6)


def test_progress_of_samples(graph, inputs):
    reported = []
    deploy.run(graph, inputs, memory_bytes=1, threads=2, progress=lambda *report: reported.append(report))
    assert reported == [(8 * block, 75) for block in range(1, 10)] + [(75, 75)]
