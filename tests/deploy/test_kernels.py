"""Dense, sparse and event-driven kernels: the same spikes whichever runs, and the choice by their cost."""

import numpy as np
import pytest
from factories import firing_network, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
from deploy.simulator import KERNELS, KernelChoice, load_costs, plan, save_costs
from deploy.simulator.cost_file import DEFAULT_COSTS
from deploy.simulator.costs import EventCosts, KernelCosts, LaneCosts, SumCosts, Work
from dpap import LIF
from dpap.errors import InputError


def spikes_by_kernel(graph, inputs):
    return {kernel: deploy.run(graph, inputs, kernel=kernel).kept for kernel in (None, *KERNELS)}


@pytest.mark.parametrize(
    ("notation", "shape", "options"),
    [
        ("6C3-AP2-9C5-MP2-11FC-5FC", (2, 12, 12), {}),
        ("6C3s2p0-5C3d2-7FC-5FC", (1, 14, 11), {"input_max": 15, "bias": True}),
        ("8C3x5g2-4C1-5FC", (2, 7, 9), {"bias": True, "neuron": LIF(current_decay=0.3)}),
        # Graded inputs and large weights: sums of 32 bits.
        ("3C3-20FC-5FC", (2, 9, 9), {"input_max": 255, "gain": 40.0}),
        ("33FC-17FC-Delay3-5FC", (40,), {"neuron": LIF(voltage_decay=0.0)}),
    ],
)
def test_the_kernel_does_not_change_a_spike(notation, shape, options):
    network = firing_network(notation, shape, 6, **options)
    graph, inputs = deploy.compile(network), random_inputs(network, 11)
    # Some samples silent, and what arrives at the others differs in number.
    inputs = inputs * (np.random.default_rng(1).random(inputs.shape) < 0.4)
    inputs[3:5] = 0
    found = spikes_by_kernel(graph, inputs)
    assert deploy.verify(graph, network, inputs, backends=("fast",)).mismatches == 0
    for name, expected in found[None].items():
        assert expected.any()
        for kernel in KERNELS:
            assert np.array_equal(found[kernel][name], expected), (kernel, name)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 1000),
    kernel=st.sampled_from([1, 3]),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    kept=st.sampled_from([0.02, 0.5]),
)
def test_any_convolution_is_the_same_by_every_kernel(seed, kernel, stride, padding, dilation, kept):
    network = firing_network(
        f"5C{kernel}s{stride}p{padding}d{dilation}-4FC", (3, 8, 7), 3, seed=seed, bias=True
    )
    generator = np.random.default_rng(seed)
    for block in network.synaptic_blocks():
        block.mask[generator.random(block.mask.shape) > kept] = 0
    graph, inputs = deploy.compile(network), random_inputs(network, 9, seed)
    found = spikes_by_kernel(graph, inputs)
    for kernel in KERNELS:
        for name, expected in found[None].items():
            assert np.array_equal(found[kernel][name], expected), (kernel, name)


def test_an_unknown_kernel_is_refused():
    network = firing_network("4FC", (3,), 2)
    with pytest.raises(InputError, match="kernel 'fast' is not known; there are dense, sparse, event"):
        deploy.run(deploy.compile(network), random_inputs(network, 1), kernel="fast")


def work(**options):
    """Of 2 neurons in a row of 16 that have 3 sources by 4 of 6 synapses, in 5 steps of 10 lanes."""
    options = {"arrivals": 7.0, "rows": 7.0, "distinct_steps": 5} | options
    return Work(
        steps=5, lanes=10, neurons=2, padded_neurons=16, sources=3, synapses=4, weights=6, width=16, **options
    )


COSTS = SumCosts(
    dense=LaneCosts(product=1, row=10, update=100),
    sparse=LaneCosts(product=2, row=20, update=200),
    event=EventCosts(scan=1, arrival=10, row=100, product=2, update=3),
)


def test_the_times_of_the_model():
    # 5 steps x 10 lanes x 6 weights, + 10 x 5 x 2 neurons, + 100 x 5 x 10 x 2.
    assert COSTS.nanoseconds("dense", work()) == 300 + 100 + 10_000
    assert COSTS.nanoseconds("sparse", work()) == 2 * 200 + 20 * 10 + 200 * 100
    # One step of input alone: the sums are made once, the neurons are updated five times.
    assert COSTS.nanoseconds("dense", work(distinct_steps=1)) == 60 + 20 + 10_000
    # 150 looked at, 7 arrive, 7 rows of 16 weights, 16 neurons x 50.
    assert COSTS.nanoseconds("event", work()) == 150 + 70 + 700 + 2 * 112 + 3 * 800


def test_the_cheapest_is_taken_and_the_first_of_equals():
    model = KernelCosts(source="by hand", small=COSTS, wide=COSTS.model_copy(update={"sparse": COSTS.dense}))
    # 10,400; 20,600; 3,544: see above.
    assert model.cheapest(work(), small=True) == "event"
    assert model.cheapest(work(), small=True, among=("dense", "sparse")) == "dense"
    # At equal coefficients fewer synapses are cheaper than all weights.
    assert model.cheapest(work(), small=False, among=("dense", "sparse")) == "sparse"
    assert model.cheapest(work(rows=1e6), small=True) == "dense"


@pytest.mark.parametrize(("rate", "kept", "expected"), [(0.002, 1, "event"), (0.9, 0.01, "sparse")])
def test_the_choice_follows_activity_and_pruning(rate, kept, expected):
    network = firing_network("200FC-10FC", (600,), 4)
    generator = np.random.default_rng(0)
    block = network.synaptic_blocks()[0]
    block.mask[generator.random(block.mask.shape) > kept] = 0
    layer = plan(deploy.compile(network))[0]
    arriving = (generator.random((4, layer.inputs[0].pooled[0], 64)) < rate).astype(np.uint8)
    assert KernelChoice(DEFAULT_COSTS).choose(layer, arriving, 4) == expected


def test_all_weights_are_not_stored_where_they_are_too_many():
    layer = plan(deploy.compile(firing_network("20FC-4FC", (10,), 2)))[0]
    few = DEFAULT_COSTS.model_copy(update={"largest_weights": 199})
    assert KernelChoice(few).candidates(layer) == ("sparse",)
    assert "event" in KernelChoice(DEFAULT_COSTS).candidates(layer)


def test_a_measured_model_is_kept_and_found(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_costs() == DEFAULT_COSTS
    model = DEFAULT_COSTS.model_copy(update={"source": "here"})
    path = save_costs(model)
    assert tmp_path in path.parents
    assert load_costs() == model
    for damaged in ("", "{}", path.read_text().replace("0.03", "-0.03"), "\ud800".encode("utf-8", "replace")):
        path.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
        with pytest.warns(UserWarning, match="not a cost model of kernels"):
            assert load_costs() == DEFAULT_COSTS


def test_calibration_measures_every_kernel(monkeypatch):
    from deploy.simulator import calibration

    monkeypatch.setattr(calibration, "MATRICES", ((20, 400), (60, 100)))
    monkeypatch.setattr(calibration, "CONVOLUTIONS", ((2, 12, 16),))
    measured = list(calibration._measure(16, repeats=1, seed=0))
    assert {kernel for kernel, _, _ in measured} == set(KERNELS)
    model = calibration._fit(measured)
    # The model is of this machine: it predicts its own measurements within a factor of three.
    ratios = [model.nanoseconds(kernel, found) / time for kernel, found, time in measured]
    assert 1 / 3 < np.median(ratios) < 3
