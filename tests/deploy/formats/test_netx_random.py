"""Random networks over all layers as netx files: lava-dl's netx gives the spikes of the simulator."""

import re
from collections import Counter

import h5py
import hypothesis
import pytest
from factories import random_inputs
from hypothesis import HealthCheck, Phase, given, settings
from netx_runs import add, different_layers, reference, spikes_of
from random_networks import compiled, networks

import deploy
from deploy.formats.netx import one_sample_a_run

REFUSALS = {
    "residual": r"\w+: it receives spikes from .*, and a netx file is a chain",
    "recurrent with delays": r"\w+: netx cannot run a recurrent layer with delays",
    "biases before the input": r"\w+: in netx .* carry spikes into the sample that were sent before it",
    "clipped weights": r"\w+: none of its (recurrent )?weights is positive and the least is -\d+, which netx",
    "biases alone": r"\w+: it has no synapses, which netx cannot run, and its biases make each",
}
"""What an export may refuse, by the message that says so."""


def drawn(count, seed, longest):
    """So many networks, the same for the same seed."""
    found = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(networks(longest=longest))
    def draw(network):
        found.append(network)

    draw()
    return found[:count]


def search(folder, count, seed, longest=12):
    """Export random networks, run all files in one process of Lava, and compare every layer.

    Returns
    -------
    counts : Counter
        Networks ``drawn``, ``compiled``, ``exported``, ``equal`` and refused, by reason.
    different : list of str
        What differed, or failed: notation and layer.
    """
    counts, different, runs = Counter(), [], {}
    for number, network in enumerate(drawn(count, seed, longest)):
        counts["drawn"] += 1
        graph = compiled(network)
        if graph is None:
            continue
        counts["compiled"] += 1
        name = f"{number:04}"
        samples = 1 if one_sample_a_run(graph) else 2
        inputs = random_inputs(network, samples, seed)
        try:
            add(folder, name, graph, inputs)
        except deploy.ExportError as error:
            reasons = [reason for reason, pattern in REFUSALS.items() if re.match(pattern, str(error))]
            counts[f"refused: {reasons[0] if reasons else 'undocumented'}"] += 1
            if not reasons:
                different.append(f"{name} {network.notation}: {error}")
            continue
        with h5py.File(folder / f"{name}.net") as file:
            assert file.attrs["one_sample_a_run"] == (samples == 1)
        counts["exported"] += 1
        counts[f"exported, samples a run: {samples}"] += 1
        runs[name] = (network, graph, deploy.run(graph, inputs, on_overflow="wrap"))
    _, errors = reference(folder, timeout=60 + 20 * count)
    for name, (network, graph, ours) in runs.items():
        title = f"{name} {network.notation}, {network.time_steps} steps"
        if not (folder / f"{name}.npz").exists():
            failed = folder / f"{name}.error"
            different.append(f"{title}: {failed.read_text() if failed.exists() else errors[-2000:]}")
            continue
        wrong = different_layers(spikes_of(folder, name, graph, len(ours.inputs)), ours)
        if wrong:
            different.append(f"{title}: spikes of {', '.join(wrong)}")
        else:
            counts["equal"] += 1
            counts["equal, with spikes in the last layer"] += bool(ours.output.any())
    return counts, different


def test_random_networks_spike_the_same_in_netx(tmp_path):
    counts, different = search(tmp_path, 25, seed=0)
    assert not different, "\n".join(different)
    assert counts["equal"] == counts["exported"] >= 10, counts


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hundreds_of_random_networks_spike_the_same_in_netx(tmp_path, seed):
    counts, different = search(tmp_path, 150, seed)
    print(dict(counts))
    assert not different, "\n".join(different)
    assert counts["equal"] == counts["exported"] >= 60, counts
