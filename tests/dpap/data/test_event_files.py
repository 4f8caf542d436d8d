import hashlib
import pickle
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
from small_files import atis_events, gesture_events, write_atis, write_gesture

from dpap.data import load
from dpap.data.tonic_files import NMNIST, DVSGesture
from dpap.encoders import Frames
from dpap.errors import DataError

PARTS = {"Train": {"00003": 4, "00001": 5, "00002": 0, "00010": 4}, "Test": {"00001": 7, "00002": 2}}
"""Digits by the number of their MNIST image, as in the first of MNIST."""


@pytest.fixture
def nmnist(tmp_path):
    """A few recordings in N-MNIST's layout, and their events by part and number."""
    folder, written = tmp_path / "nmnist" / "NMNIST", {}
    for part, digits in PARTS.items():
        for number, digit in digits.items():
            events = atis_events(seed=int(number))
            written[part, number] = events
            write_atis(folder / part / str(digit) / f"{number}.bin", events)
    return folder, written


def test_recordings_are_in_the_order_of_their_images(tmp_path, nmnist):
    _, written = nmnist
    train, test = load("nmnist", root=tmp_path, subset=True)
    assert train.labels.tolist() == [5, 0, 4, 4]
    assert test.labels.tolist() == [7, 2]
    assert train.input_shape == (2, 34, 34)
    for index, number in enumerate(("00001", "00002", "00003", "00010")):
        events = train.inputs[index]
        found = [tuple(int(event[field]) for field in "xypt") for event in events]
        assert found == written["Train", number]


def test_recordings_become_frames_when_they_are_asked_for(tmp_path, nmnist):
    folder, written = nmnist
    train, _ = load("nmnist", root=tmp_path, subset=True, encoder=Frames(input_max=9), time_steps=4)
    batch = train.batch([2, 0])
    assert batch.shape == (2, 2, 34, 34, 4)
    events = written["Train", "00001"]
    first, last = events[0][3], events[-1][3]
    window = (last - first) // 4
    expected = np.zeros((2, 34, 34, 4), int)
    for x, y, p, t in events:
        if (t - first) // window < 4:
            expected[p, y, x, (t - first) // window] += 1
    assert np.array_equal(batch[1], expected)
    # Nothing but what is asked for is read.
    (folder / "Train" / "4" / "00010.bin").write_bytes(b"\0")
    assert np.array_equal(train.batch([2, 0]), batch)
    with pytest.raises(DataError, match=r"00010\.bin: truncated: 1 bytes"):
        train.batch([3])


def test_a_part_of_the_whole_is_accepted_when_asked_for(tmp_path, nmnist):
    with pytest.raises(DataError, match="holds 4 train samples of 60000; take what is there"):
        load("nmnist", root=tmp_path)


def test_splits_of_files_can_go_to_another_process(tmp_path, nmnist):
    train, _ = load("nmnist", root=tmp_path, subset=True)
    again = pickle.loads(pickle.dumps(train))
    assert np.array_equal(again.batch([1]), train.batch([1]))


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"", "truncated: 0 bytes"), (b"\1\2\3\4\5\6", "truncated: 6 bytes; expected events of 5 bytes each")],
)
def test_a_truncated_recording_is_named_before_training(tmp_path, nmnist, content, part):
    path = nmnist[0] / "Train" / "5" / "00001.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}: {part}"):
        load("nmnist", root=tmp_path, subset=True)


@pytest.mark.parametrize(
    ("events", "part"),
    [
        ([(34, 0, 0, 0), (0, 0, 0, 99_999)], "an event has x = 34; expected 0 to 33"),
        ([(0, 99, 0, 0), (0, 0, 0, 99_999)], "an event has y = 99; expected 0 to 33"),
        # tonic takes y = 240 for an overflow of time.
        ([(0, 240, 0, 0)], "has no events"),
        ([(0, 0, 0, 5), (0, 0, 1, 9)], "2 events over 4 us; they cannot be split into 10"),
    ],
)
def test_a_damaged_recording_is_named_when_it_is_read(tmp_path, nmnist, events, part):
    path = nmnist[0] / "Train" / "5" / "00001.bin"
    write_atis(path, events)
    train, _ = load("nmnist", root=tmp_path, subset=True)
    with pytest.raises(DataError, match=f"{path}: .*{part}"):
        train.batch([0])


def test_a_recording_that_has_gone_is_named(tmp_path, nmnist):
    train, _ = load("nmnist", root=tmp_path, subset=True)
    path = nmnist[0] / "Train" / "5" / "00001.bin"
    path.unlink()
    with pytest.raises(DataError, match=f"{path}: .*No such file"):
        train.batch([0])


@pytest.mark.parametrize("other", ["Train/5/notes.bin", "Train/ten/00001.bin", "Train/15/00001.bin"])
def test_other_files_are_not_taken_for_recordings(tmp_path, nmnist, other):
    write_atis(nmnist[0] / other, atis_events())
    with pytest.raises(DataError, match="Train"):
        load("nmnist", root=tmp_path, subset=True)


def test_a_missing_folder_is_named(tmp_path, nmnist):
    shutil.rmtree(nmnist[0] / "Test")
    with pytest.raises(DataError, match=f"{nmnist[0] / 'Test'} is missing; set DPAP_DATA .* download=True"):
        load("nmnist", root=tmp_path, subset=True)
    with pytest.raises(
        DataError,
        match=r"NMNIST_1ms/NMNIST/Train is missing; .* the folder that holds the data sets$",
    ):
        load("nmnist-1ms", root=tmp_path)


def test_the_derived_set_has_eight_digits_and_no_download(tmp_path):
    folder = tmp_path / "nmnist_1ms" / "NMNIST_1ms" / "NMNIST"
    for part in PARTS:
        write_atis(folder / part / "7" / "00001.bin", atis_events())
    train, _ = load("nmnist-1ms", root=tmp_path, subset=True)
    assert train.labels.tolist() == [7]
    write_atis(folder / "Train" / "8" / "00002.bin", atis_events())
    with pytest.raises(DataError, match=r"8/00002.bin: expected recordings .* of digits 0 to 7"):
        load("nmnist-1ms", root=tmp_path, subset=True)
    with pytest.raises(DataError, match="nmnist-1ms cannot be downloaded"):
        load("nmnist-1ms", root=tmp_path, download=True)


def test_tonic_downloads_nmnist(tmp_path, nmnist, monkeypatch, server):
    for part, attribute in (("Train", "train"), ("Test", "test")):
        archive = server.folder / f"{attribute}.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for file in sorted((nmnist[0] / part).rglob("*.bin")):
                packed.write(file, file.relative_to(nmnist[0]))
        monkeypatch.setattr(NMNIST, f"{attribute}_url", server.url(archive))
        monkeypatch.setattr(NMNIST, f"{attribute}_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    train, test = load("nmnist", root=tmp_path / "here", download=True, subset=True)
    assert train.labels.tolist() == [5, 0, 4, 4]
    assert test.labels.tolist() == [7, 2]
    monkeypatch.setattr(NMNIST, "train_url", server.url(server.folder / "gone.zip"))
    with pytest.raises(DataError, match=f"nmnist: could not be downloaded to {tmp_path}/there/nmnist"):
        load("nmnist", root=tmp_path / "there", download=True, subset=True)


TRAIN, TEST = "ibmGestureTrain", "ibmGestureTest"


@pytest.fixture
def gestures(tmp_path):
    """Recordings of two users, written out of order."""
    written = {}
    for user, light, label in (
        (12, "led", 10),
        (3, "natural", 0),
        (12, "fluorescent", 4),
        (3, "natural", 10),
    ):
        written[user, light, label] = events = gesture_events(seed=user + label)
        write_gesture(tmp_path, TRAIN, user, light, label, events)
    write_gesture(tmp_path, TEST, 24, "lab", 5, gesture_events())
    return written


def test_gestures_are_in_the_order_of_users(tmp_path, gestures):
    train, test = load("dvs-gesture", root=tmp_path, subset=True)
    assert train.labels.tolist() == [0, 10, 4, 10]
    assert test.labels.tolist() == [5]
    for index, key in enumerate(sorted(gestures)):
        events = train.inputs[index]
        expected = gestures[key]
        assert np.array_equal(events["x"], expected[:, 0])
        assert np.array_equal(events["y"], expected[:, 1])
        assert np.array_equal(events["p"], expected[:, 2])
        # Files have milliseconds.
        assert np.array_equal(events["t"], 1000 * expected[:, 3])


def test_gestures_become_frames_of_48_by_48(tmp_path, gestures):
    train, _ = load("dvs-gesture", root=tmp_path, subset=True)
    assert train.input_shape == (2, 48, 48)
    assert train.batch([0]).shape == (1, 2, 48, 48, 10)
    counted, _ = load("dvs-gesture", root=tmp_path, subset=True, encoder=Frames(input_max=255, size=(48, 48)))
    events = gestures[3, "natural", 0]
    step = (events[:, 3] - events[0, 3]) * 1000 // ((events[-1, 3] - events[0, 3]) * 1000 // 10)
    expected = np.zeros((2, 48, 48, 10), int)
    np.add.at(
        expected,
        tuple(
            column[step < 10]
            for column in (events[:, 2], events[:, 1] * 48 // 128, events[:, 0] * 48 // 128, step)
        ),
        1,
    )
    assert np.array_equal(counted.batch([0])[0], expected)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.float64])
def test_gestures_may_be_of_any_type_of_numbers(tmp_path, gestures, dtype):
    write_gesture(tmp_path, TRAIN, 1, "led", 0, gesture_events(dtype=dtype))
    train, _ = load("dvs-gesture", root=tmp_path, subset=True)
    assert np.array_equal(train.inputs[0]["t"], 1000 * gesture_events()[:, 3])


def changed(column, value):
    events = gesture_events(dtype=np.float64)
    events[7, column] = value
    return events


@pytest.mark.parametrize(
    ("events", "part"),
    [
        (np.zeros((0, 4)), r"float64 \(0, 4\); expected numbers \(events, 4\)"),
        (np.zeros((5, 3)), r"float64 \(5, 3\)"),
        (np.zeros(5), r"float64 \(5,\)"),
        (np.full((5, 4), "a"), "expected numbers"),
        (np.array([[{}] * 4]), "allow_pickle|Python objects"),
        (changed(0, 128), "x from .* to 128.0; expected 0 to 127"),
        (changed(1, -1), "y from -1.0"),
        (changed(2, 2), "p from 0.0 to 2.0; expected 0 to 1"),
        (changed(3, np.nan), "t from nan"),
        (changed(3, np.inf), "t from .* to inf"),
        # tonic's microseconds would wrap in 16 bits.
        (gesture_events(dtype=np.uint16), "t from .*; expected 0 to 64"),
        (np.tile([0, 0, 0, 1], (5, 1)), "5 events over 0 us"),
    ],
)
def test_a_damaged_gesture_is_named(tmp_path, gestures, events, part):
    path = write_gesture(tmp_path, TRAIN, 1, "led", 0, events)
    train, _ = load("dvs-gesture", root=tmp_path, subset=True)
    with pytest.raises(DataError, match=f"{path}: .*({part})"):
        train.batch([0])


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:20], lambda data: b""])
def test_a_truncated_gesture_is_named(tmp_path, gestures, damage):
    path = write_gesture(tmp_path, TRAIN, 1, "led", 0, gesture_events())
    path.write_bytes(damage(path.read_bytes()))
    train, _ = load("dvs-gesture", root=tmp_path, subset=True)
    with pytest.raises(DataError, match=f"{path}: damaged"):
        train.batch([0])


def test_other_files_are_not_taken_for_gestures(tmp_path, gestures):
    path = write_gesture(tmp_path, TRAIN, 1, "led", 11, gesture_events())
    with pytest.raises(DataError, match=f"{path}: class 11; expected files 0.npy to 10.npy"):
        load("dvs-gesture", root=tmp_path, subset=True)
    path.rename(path.with_name("clapping.npy"))
    with pytest.raises(DataError, match=f"{TRAIN}: damaged, or not of the expected form .*clapping"):
        load("dvs-gesture", root=tmp_path, subset=True)


def test_few_gestures_are_a_subset(tmp_path, gestures):
    with pytest.raises(DataError, match=r"holds 4 recordings, fewer than 100; .*subset=True"):
        load("dvs-gesture", root=tmp_path)
    shutil.rmtree(tmp_path / "dvs_gesture" / "DVSGesture" / TEST)
    with pytest.raises(DataError, match=f"{TEST} is missing; .*download=True"):
        load("dvs-gesture", root=tmp_path, subset=True)


def test_tonic_downloads_gestures(tmp_path, gestures, monkeypatch, server):
    archive = server.folder / "train.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "dvs_gesture" / "DVSGesture" / TRAIN, TRAIN)
    monkeypatch.setattr(DVSGesture, "train_url", server.url(archive))
    monkeypatch.setattr(DVSGesture, "train_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    (train,) = load("dvs-gesture", "train", root=tmp_path / "here", download=True, subset=True)
    assert train.labels.tolist() == [0, 10, 4, 10]
