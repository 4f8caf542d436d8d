"""Recordings in files: the spikes that were run, read part by part; damage is found."""

from collections.abc import Mapping
from dataclasses import replace

import h5py
import numpy as np
import pytest
from factories import firing_network, random_inputs

import deploy
from deploy.errors import FormatError
from deploy.formats import recording as files
from deploy.formats.seal import seal
from deploy.hardware import activity
from deploy.measurement.counts import count_activity
from dpap.errors import InputError


@pytest.fixture(scope="module")
def graph():
    return deploy.compile(firing_network("4C3-AP2-12RFC-5FC", (2, 8, 8), 6, input_max=3))


@pytest.fixture(scope="module")
def inputs(graph):
    return random_inputs(graph, 75)


@pytest.fixture
def stored(graph, inputs, tmp_path):
    deploy.run(graph, inputs, record_to=tmp_path / "run.h5", memory_bytes=1)
    return tmp_path / "run.h5"


def same_spikes(one, other):
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("memory_bytes", [1, 1 << 30])
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 22])
def test_a_file_holds_what_was_run(graph, inputs, tmp_path, monkeypatch, memory_bytes, chunk_bytes):
    # Chunks of one step, and of a whole block.
    monkeypatch.setattr(files, "CHUNK_BYTES", chunk_bytes)
    expected = deploy.run(graph, inputs)
    path = tmp_path / "run.h5"
    written = deploy.run(graph, inputs, record_to=path, memory_bytes=memory_bytes, threads=2)
    read = deploy.load_recording(path)
    for recording in (written, read):
        assert expected.output.any()
        assert same_spikes(recording.kept, expected.kept)
        assert np.array_equal(recording.output, expected.output)
    assert np.array_equal(read.inputs, inputs)
    assert (read.backend, len(read.inputs), read.graph.time_steps) == ("fast", 75, 6)
    assert list(tmp_path.iterdir()) == [path]


def test_a_part_is_read_by_itself(stored, graph, inputs):
    recording, expected = deploy.load_recording(stored), deploy.run(graph, inputs)
    parts = list(recording.batches(13))
    # 75 samples are five parts of 13 and one of 10.
    assert [len(part.inputs) for part in parts] == [13] * 5 + [10]
    for name, spikes in expected.kept.items():
        assert np.array_equal(np.concatenate([part.kept[name] for part in parts]), spikes)
    assert np.array_equal(parts[2].inputs, inputs[26:39])


class OnlyParts(Mapping):
    """Spikes that refuse to be read as a whole, and count the samples of the largest part."""

    def __init__(self, kept):
        self._kept, self.largest = kept, 0

    def part(self, start, stop):
        self.largest = max(self.largest, stop - start)
        return self._kept.part(start, stop)

    def __getitem__(self, name):
        raise MemoryError(f"all spikes of {name}")

    def __iter__(self):
        return iter(self._kept)

    def __len__(self):
        return len(self._kept)


@pytest.mark.parametrize("target", ["loihi1", "loihi2", "cmos45_int8", "speck"])
def test_what_is_larger_than_memory_is_measured_and_priced(stored, graph, target):
    # 75 samples, of which at most 64 are read at once; those of what cores do in each step by memory.
    whole, recording = deploy.load_recording(stored), deploy.load_recording(stored)
    parts = OnlyParts(recording.kept)
    recording = replace(recording, kept=parts)
    measured, expected = deploy.measure(graph, recording), deploy.measure(graph, whole)
    assert measured.to_dict() == expected.to_dict()
    priced = deploy.estimate(measured, target, unknown="bound")
    assert priced.to_dict() == deploy.estimate(expected, target, unknown="bound").to_dict()
    assert 0 < parts.largest <= max(64, activity.MEMORY_BYTES // activity._bytes_a_sample(whole))


def test_counts_do_not_depend_on_batches(graph, inputs):
    recording = deploy.run(graph, inputs)
    one, many = count_activity(recording, batch=75), count_activity(recording, batch=7)
    for name, counts in one.items():
        assert np.array_equal(counts.events, many[name].events)
        assert np.array_equal(counts.magnitude, many[name].magnitude)
        assert np.array_equal(counts.spikes, many[name].spikes)
        assert counts.reached == many[name].reached
    # Graded inputs of up to 3: events are those other than zero, and of the layer itself a step late.
    assert one["conv1"].events.sum() == np.count_nonzero(inputs)
    assert one["conv1"].magnitude.sum() == inputs.sum()
    assert dict(one["fc1"].sources)["fc1"].stop == len(one["fc1"].events)
    late = recording.kept["fc1"][:, :-1].sum()
    assert one["fc1"].events[dict(one["fc1"].sources)["fc1"]].sum() == late


def test_only_what_is_asked_for_is_in_the_file(graph, inputs, tmp_path):
    deploy.run(graph, inputs[:3], record=["conv1"], record_to=tmp_path / "run.h5")
    assert list(deploy.load_recording(tmp_path / "run.h5").kept) == ["conv1", graph.output.name]


def test_no_sample(graph, inputs, tmp_path):
    deploy.run(graph, inputs[:0], record_to=tmp_path / "run.h5")
    assert deploy.load_recording(tmp_path / "run.h5").output.shape == (0, 6, 5)


def test_any_recording_can_be_saved(graph, inputs, stored, tmp_path):
    expected = deploy.run(graph, inputs)
    for recording in (expected, deploy.load_recording(stored)):
        recording.save(tmp_path / "copy.h5")
        assert same_spikes(deploy.load_recording(tmp_path / "copy.h5").kept, expected.kept)


def test_spikes_take_less_than_a_byte(stored, graph, inputs):
    spikes = sum(found.size for found in deploy.run(graph, inputs).kept.values())
    with h5py.File(stored) as file:
        assert sum(data.id.get_storage_size() for data in file["spikes"].values()) < spikes / 4


def test_a_file_is_measured_part_by_part(stored, graph, inputs):
    measured = deploy.measure(graph, deploy.load_recording(stored))
    assert measured.to_dict() == deploy.measure(graph, deploy.run(graph, inputs)).to_dict()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-100], "damaged"),
        (lambda data: data[:3000] + b"\xff" + data[3001:], "damaged"),
        (lambda data: b"", "not a recording"),
        (lambda data: b"PK\x03\x04", "not a recording"),
    ],
)
def test_a_damaged_file_is_refused(stored, damage, message):
    stored.write_bytes(damage(stored.read_bytes()))
    with pytest.raises(FormatError, match=f"run.h5.*{message}"):
        deploy.load_recording(stored)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.update(schema=9), "schema version 9"),
        (lambda file: file.attrs.update(format="other"), "not a recording"),
        (lambda file: file.attrs.update(samples=10**9), "inputs is not uint8"),
        (lambda file: file["spikes/0"].attrs.update(layer="fc9"), "no layer"),
        (lambda file: file.__delitem__("spikes/2"), "no spikes of its output"),
        (lambda file: file.__delitem__("spikes"), "no group of spikes"),
        (
            lambda file: (file.__delitem__("spikes"), file.create_dataset("spikes", data=[1])),
            "no group of spikes",
        ),
        (lambda file: file.create_group("spikes/9"), "not a data set of spikes"),
        (lambda file: file.__delitem__("inputs"), "damaged"),
        (lambda file: file["spikes/0"].resize((5, *file["spikes/0"].shape[1:])), "as its graph says"),
        (lambda file: file["graph"].attrs.update(input_max=0), "input_max is 0"),
    ],
)
def test_an_inconsistent_file_is_refused(stored, change, message):
    with h5py.File(stored, "r+") as file:
        change(file)
    seal(stored)
    with pytest.raises(FormatError, match=message):
        deploy.load_recording(stored)


def test_a_file_that_changes_later_is_refused_when_it_is_read(stored):
    recording = deploy.load_recording(stored)
    stored.write_bytes(stored.read_bytes()[:2000])
    with pytest.raises(FormatError, match="damaged"):
        recording.output  # noqa: B018 - to read it is the test
    stored.unlink()
    with pytest.raises(FormatError, match="damaged"):
        np.asarray(recording.inputs)


def test_a_model_is_no_recording_and_the_reverse(stored, graph, tmp_path):
    graph.save(tmp_path / "model.h5")
    with pytest.raises(FormatError, match="not a recording"):
        deploy.load_recording(tmp_path / "model.h5")
    with pytest.raises(FormatError, match="not a model"):
        deploy.load(stored)
    with pytest.raises(FormatError, match="no such file"):
        deploy.load_recording(tmp_path / "none.h5")


def test_a_run_that_fails_leaves_no_file(graph, inputs, tmp_path, monkeypatch):
    def fails(*arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deploy.run(graph, inputs, record_to=tmp_path / "run.h5", progress=fails)
    with pytest.raises(InputError, match="cannot write"):
        deploy.run(graph, inputs, record_to=tmp_path / "none" / "run.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hardware", ["loihi1", "spinnaker2"])
def test_a_recording_is_measured_and_priced_part_by_part(stored, graph, inputs, monkeypatch, hardware):
    expected = deploy.estimate(deploy.measure(graph, deploy.run(graph, inputs)), hardware)
    read = files._read
    largest = []

    def watched(path, name, index):
        values = read(path, name, index)
        if name == "inputs":
            largest.append(len(values))
        return values

    monkeypatch.setattr(files, "_read", watched)
    # The steps of cores are counted in parts of as many samples as fit into so many bytes.
    monkeypatch.setattr(activity.count_steps, "__defaults__", (1,))
    monkeypatch.setattr(files.StoredSpikes, "__getitem__", lambda *_: pytest.fail("all spikes were read"))
    recording = deploy.load_recording(stored)
    found = deploy.estimate(deploy.measure(graph, recording), hardware)
    assert (found.energy, found.traffic, found.cores) == (expected.energy, expected.traffic, expected.cores)
    # Seconds of steps are summed up in another order.
    assert found.latency == pytest.approx(expected.latency, rel=1e-12)
    # Of 75 samples.
    assert max(largest) == 64
