"""NIR graphs of any origin: their neurons spike by their equations, and what has no counterpart is named."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from factories import firing_network, random_inputs, with_random_states
from nir_references import compiled_spikes, in_norse, nir

import deploy
import dpap

DT = 1e-4

# How neurons reset is in no file of others: test_nir_warnings.
pytestmark = pytest.mark.filterwarnings(
    "ignore:nothing says:dpap.ConversionWarning", "ignore:.*nir. nothing says:dpap.ConversionWarning"
)


def nir_graph(*nodes, **options):
    return nir.NIRGraph.from_list(*nodes, **options)


def linear(outputs, inputs, seed=0, **options):
    generator = np.random.default_rng(seed)
    weight = (generator.integers(-20, 21, (outputs, inputs)) + 8) / 64
    weight.flat[0] = 127 / 64
    return nir.Linear(weight.astype(np.float32), **options)


def lif(shape, tau=2 * DT, **options):
    ones = np.ones(shape, np.float32)
    parameters = {"tau": tau, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | options
    return nir.LIF(**{name: ones * value for name, value in parameters.items()})


def euler(weights, inputs, threshold, keep=0.5, gain=1.0, constant=0.0):
    """Spikes of layers ``v = keep v + gain w x + constant``, worked out step by step."""
    spikes = inputs.astype(float)
    for weight in weights:
        voltage, fired = 0.0, []
        for step in range(spikes.shape[1]):
            voltage = keep * voltage + gain * spikes[:, step] @ np.asarray(weight, float).T + constant
            fired.append(voltage > threshold)
            voltage = voltage * ~fired[-1]
        spikes = np.stack(fired, axis=1).astype(float)
    return spikes


@pytest.mark.parametrize(
    ("neuron", "dt", "expected"),
    [
        # SpikingJelly: tau in steps times dt, r = tau without a decay of the input; IF with r = 1/dt.
        (lambda n: lif((n,)), None, {}),
        (lambda n: lif((n,), r=1.0), None, {"gain": 0.5}),
        (lambda n: nir.IF(r=np.full(n, 1 / DT), v_threshold=np.ones(n)), None, {"keep": 1.0}),
        # sinabs and Norse: IF with r = 1, which adds its input.
        (lambda n: nir.IF(r=np.ones(n), v_threshold=np.ones(n)), None, {"keep": 1.0}),
        # Norse: r = 1, tau in seconds, a step of a millisecond.
        (lambda n: lif((n,), tau=4e-3, r=4.0), 1e-3, {"keep": 0.75}),
        (lambda n: lif((n,), v_leak=0.25), None, {"constant": 0.125}),
        (lambda n: lif((n,), v_threshold=2.0), None, {"threshold": 2.0}),
        # Scalars for all neurons, as older writers have them.
        (lambda n: lif(()), None, {}),
    ],
)
def test_neurons_as_other_simulators_write_them(tmp_path, neuron, dt, expected):
    first, last = linear(8, 6), linear(5, 8, seed=1)
    path = tmp_path / "theirs.nir"
    nodes = {"input": nir.Input({"input": np.array([6])}), "a": first, "b": neuron(8), "c": last}
    nodes |= {"d": neuron(5), "output": nir.Output({"output": np.array([5])})}
    names = list(nodes)
    edges = list(pairwise(names))
    nir.write(path, nir.NIRGraph(nodes, edges, type_check=False))
    network = deploy.from_nir(path, time_steps=3, dt=dt)
    inputs = np.random.default_rng(5).integers(0, 2, (30, 3, 6))
    theirs = euler([first.weight, last.weight], inputs, **({"threshold": 1.0} | expected))
    assert 0 < theirs.mean() < 1
    assert np.array_equal(compiled_spikes(network, inputs), theirs)


def test_thresholds_and_resistances_of_each_neuron_go_into_the_weights():
    weight = np.full((2, 3), 0.5, np.float32)
    neuron = lif((2,), v_threshold=np.array([1.0, 2.0]), r=np.array([2.0, 4.0]))
    network = deploy.from_nir(nir_graph(nir.Linear(weight), neuron), time_steps=2)
    # gain = r dt / tau = r / 2: 1 and 2; over thresholds of 1 and 2 both are 1.
    assert network.layers["fc1"].weight.tolist() == [[0.5] * 3] * 2
    assert network.layers["fc1"].neuron.threshold == 1.0


def test_analog_inputs(tmp_path):
    graph = nir_graph(nir.Linear(np.array([[0.5, 0.25]], np.float32)), lif((1,), v_threshold=0.3))
    network = deploy.from_nir(graph, time_steps=1, input_max=16, input_divisor=16)
    # 0.5 * 10/16 = 0.3125 > 0.3, and 0.5 * 9/16 = 0.28125 is not.
    inputs = np.array([[[10, 0]], [[9, 0]], [[9, 2]]])
    assert compiled_spikes(network, inputs).ravel().tolist() == [1, 0, 1]


ROUND_TRIPS = [
    ("4C3-AP2-6C3-MP2-12FC-5FC", (2, 8, 8), {}),
    ("4C3s2p1-4C3d2g2-5C3x1-8FC-5FC", (2, 9, 8), {"bias": True}),
    ("4C3-AP2-6C3-12FC-5FC", (2, 7, 9), {"input_max": 3}),
    ("8RFC-Delay3-5FC", (6,), {"input_max": 5}),
    ("4C3-Delay3-Res(4C3-4C3)-AP2-5FC", (2, 6, 6), {}),
    (
        "8FC-5FC",
        (6,),
        {"neuron": dpap.LIF(current_decay=0.3, voltage_decay=0.1, threshold=2.0), "bias": True},
    ),
    ("8FC-5FC", (6,), {"neuron": dpap.LIF(current_decay=0.0, voltage_decay=0.0, threshold=4.0)}),
]


@pytest.mark.parametrize(("notation", "shape", "options"), ROUND_TRIPS)
def test_what_was_written_here_comes_back_spike_for_spike(tmp_path, notation, shape, options):
    network = with_random_states(firing_network(notation, shape, 6, **options))
    graph, inputs = deploy.compile(network), random_inputs(network, 4)
    deploy.export(graph, tmp_path / "model.nir")
    again = deploy.from_nir(tmp_path / "model.nir")
    assert (again.time_steps, again.input_max) == (6, options.get("input_max", 1))
    expected = deploy.run(graph, inputs).output
    assert expected.any()
    assert np.array_equal(compiled_spikes(again, inputs), expected)


def test_an_imported_network_can_be_pruned():
    network = deploy.from_nir(nir_graph(linear(8, 6), lif((8,)), linear(5, 8), lif((5,))), time_steps=4)
    pruner = dpap.DPAP(network, dpap.DPAPConfig())
    assert pruner.pruning_rate == 0
    network.train()
    network(torch.ones(3, 6)).sum().backward()
    assert network.layers["fc1"].weight.grad is not None


@pytest.mark.parametrize(("padding", "margin", "extent"), [("same", 2, 6), ("valid", 0, 2)])
def test_padding_in_words(padding, margin, extent):
    # A dilation of 2 makes 5 of a kernel of 3.
    conv = nir.Conv2d((6, 6), np.ones((2, 1, 3, 3)) / 8, 1, padding, 2, 1, np.zeros(2))
    neurons = 2 * extent**2
    flatten = nir.Flatten({"input": np.array([2, extent, extent])}, 0)
    graph = flat(
        nir.Input({"input": np.array([1, 6, 6])}), conv, lif(()), flatten, linear(3, neurons), lif((3,))
    )
    network = deploy.from_nir(graph, time_steps=2)
    assert network.layers["conv1"].padding == (margin, margin)
    assert network.layers["conv1"].output_shape == (2, extent, extent)


def flat(*nodes):
    return nir_graph(*nodes, type_check=False)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (lambda: flat(linear(3, 4), nir.LI(np.ones(3), np.ones(3), np.zeros(3))), "li: a LI has no"),
        (lambda: flat(linear(3, 4), linear(2, 3), lif((2,))), "linear_1: its source linear is synapses"),
        (
            lambda: flat(linear(3, 4), lif((3,)), lif((3,))),
            "lif_1: it receives input from lif without a Linear",
        ),
        (lambda: flat(linear(3, 4), lif((3,), v_reset=0.5)), "lif: its v_reset is 0.5"),
        (lambda: flat(linear(3, 4), lif((3,), v_threshold=0.0)), "lif: its v_threshold is 0"),
        (
            lambda: flat(linear(3, 4), lif((3,), tau=[1e-3, 1e-3, 2e-3])),
            "lif: its tau is from 0.001 to 0.002",
        ),
        (lambda: flat(linear(3, 4), lif((3,), tau=DT / 2)), "lif: its tau of 5e-05 s is shorter than a step"),
        (
            lambda: flat(linear(3, 4), lif((3,)), nir.Delay(np.full(3, 1.5 * DT)), linear(2, 3), lif((2,))),
            "delay: delays of 1.5 to 1.5 steps",
        ),
        (
            lambda: flat(
                nir.Affine(np.ones((2, 3)), np.ones(2)),
                nir.CubaLIF(*(np.full(2, 2 * DT),) * 2, *(np.ones(2),) * 2, np.ones(2)),
            ),
            "cubalif: its synaptic current would low-pass the bias of affine",
        ),
        (
            lambda: flat(
                nir.Input({"input": np.array([1, 6, 6])}),
                nir.AvgPool2d(np.array([3, 3]), np.array([2, 2]), np.array([0, 0])),
                nir.Flatten({"input": np.array([1, 2, 2])}, 0),
                linear(3, 4),
                lif((3,)),
            ),
            "avgpool2d: its windows of .3, 3. with stride .2, 2. .* do not tile",
        ),
    ],
)
def test_what_has_no_counterpart_is_named(graph, message):
    with pytest.raises(deploy.CompileError, match=message):
        deploy.from_nir(graph(), time_steps=2)


def test_a_long_loop_is_named():
    nodes = {
        "input": nir.Input({"input": np.array([4])}),
        "a": linear(3, 4),
        "x": lif((3,)),
        "b": linear(3, 3),
        "y": lif((3,)),
        "c": linear(3, 3, seed=2),
        "output": nir.Output({"output": np.array([3])}),
    }
    forward = [("input", "a"), ("a", "x"), ("x", "b"), ("b", "y"), ("y", "output")]
    loop = nir.NIRGraph(dict(nodes), [*forward, ("y", "c"), ("c", "x")], type_check=False)
    with pytest.raises(deploy.CompileError, match="a loop; only a layer that is its own source"):
        deploy.from_nir(loop, time_steps=2)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            lambda: flat(linear(3, 4), lif((3,)), linear(2, 5), lif((2,))),
            "linear_1: weights of .2, 5. for an",
        ),
        (lambda: flat(linear(3, 4), lif((7,))), "lif: its gain has the shape"),
        (lambda: flat(linear(3, 4), lif((3,), tau=np.nan)), "lif: its tau has a value that is not finite"),
        (lambda: flat(nir.Linear(np.full((2, 2), np.inf)), lif((2,))), "linear: its weight has a value"),
        (lambda: linear(3, 4), "this is a Linear"),
        (lambda: nir.NIRGraph({"a": linear(3, 4)}, [], type_check=False), "the graph has 0 outputs"),
        (
            lambda: nir.NIRGraph(
                {"o": nir.Output({"output": np.array([2])})}, [("q", "o")], type_check=False
            ),
            "the edge from q to o has no node q",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(graph, message):
    with pytest.raises(deploy.FormatError, match=message):
        deploy.from_nir(graph(), time_steps=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give time_steps"),
        ({"time_steps": 0}, "time_steps is 0"),
        ({"time_steps": 2, "dt": 0.0}, "dt is 0"),
        ({"time_steps": 2, "input_max": 0}, "input_max is 0"),
        ({"time_steps": 2, "input_divisor": 0}, "input_divisor is 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(dpap.InputError, match=message):
        deploy.from_nir(nir_graph(linear(3, 4), lif((3,))), **options)


def test_norse_runs_what_is_read_here_too(tmp_path):
    # One file, two readers: Norse's and ours.
    path, dt = tmp_path / "theirs.nir", 2.0**-10
    nir.write(path, nir_graph(linear(8, 6), lif((8,), 2 * dt, r=1.0), linear(5, 8), lif((5,), 2 * dt, r=1.0)))
    inputs = np.random.default_rng(6).integers(0, 2, (10, 3, 6))
    theirs = in_norse(path, ["lif_1"], inputs, dt)["lif_1"]
    assert 0 < theirs.mean() < 1
    assert np.array_equal(compiled_spikes(deploy.from_nir(path, time_steps=3, dt=dt), inputs), theirs)
