"""Compiled networks, written as NIR and read again: every layer gives the same spikes."""

import numpy as np
import pytest
from factories import random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from nir_references import nir  # noqa: F401 - skips where the package is missing
from random_networks import compiled, networks

import deploy


def differing(graph, again, inputs):
    """Spikes in which two graphs differ: the second has only what was kept of the first."""
    assert len(graph.layers) == len(again.layers)
    ours, theirs = (deploy.run(each, inputs, on_overflow="wrap").kept for each in (graph, again))
    different = 0
    for layer, other in zip(graph.layers, again.layers, strict=True):
        expected = ours[layer.name].reshape(*inputs.shape[:2], -1)
        # Silent channels are left out on reading, and so is what no synapse receives, which may fire.
        found = other.expand(theirs[other.name]).reshape(expected.shape)
        counted = np.ones(other.shape, bool)
        counted[other.without_fan_out] = False
        different += int((expected != found)[:, :, counted.ravel()].sum())
    return different


# Of a file that was written here nothing is assumed.
@pytest.mark.filterwarnings("error::dpap.ConversionWarning")
@settings(max_examples=150)
@given(networks(longest=16), st.integers(0, 100))
def test_random_networks_come_back_spike_for_spike(tmp_path_factory, network, seed):
    graph = compiled(network)
    if graph is None:
        return
    path = tmp_path_factory.mktemp("nir") / "model.nir"
    deploy.export(graph, path)
    again = deploy.compile(deploy.from_nir(path))
    assert differing(graph, again, random_inputs(network, 2, seed)) == 0
