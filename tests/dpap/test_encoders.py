import numpy as np
import pytest
import tonic.transforms
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dpap.encoders import ENCODERS, Direct, Encoder, Frames, Latency, Rate
from dpap.encoders.frames import event_frames
from dpap.errors import InputError

quick = settings(max_examples=25)

EVENT = [("x", int), ("y", int), ("t", int), ("p", int)]


def pixels(*values):
    """One image of one row."""
    return np.array(values, np.uint8).reshape(1, 1, 1, -1)


def generators(count, seed=0):
    return (np.random.default_rng((seed, index)) for index in range(count))


def recording(count, sensor, span, seed=0):
    """Random events in the order of time, the first at 500 us and the last at 500 + span."""
    rng = np.random.default_rng(seed)
    events = np.empty(count, EVENT)
    for field, high in zip("pyx", sensor, strict=True):
        events[field] = rng.integers(0, high, count)
    events["t"] = np.sort(rng.integers(0, span + 1, count)) + 500
    events["t"][[0, -1]] = 500, 500 + span
    return events


images = st.builds(
    lambda pixel_max, seed: (
        np.random.default_rng(seed).integers(0, pixel_max + 1, (3, 2, 4, 5), np.uint8),
        pixel_max,
    ),
    st.integers(1, 255),
    st.integers(0, 1000),
)


def test_direct_rounds_to_the_nearest_level():
    # 15 p / 255 = p / 17: 8 is 0.47, 9 is 0.53, 25 is 1.47, 26 is 1.53.
    encoded = Direct(input_max=15).encode(pixels(0, 8, 9, 25, 26, 255), 255, 8)
    assert encoded.ravel().tolist() == [0, 0, 1, 1, 2, 15]
    # Halves go up: 1 of 4 in 2 levels is 0.5.
    assert Direct(input_max=2).encode(pixels(0, 1, 2, 3, 4), 4, 8).ravel().tolist() == [0, 1, 1, 2, 2]


@quick
@given(images, st.integers(1, 255))
def test_direct_is_within_half_a_level_of_the_pixel(drawn, input_max):
    image, pixel_max = drawn
    encoded = Direct(input_max=input_max).encode(image, pixel_max, 1)
    assert encoded.dtype == np.uint8
    assert encoded.shape == image.shape
    exact = image / pixel_max * input_max
    assert np.abs(encoded - exact).max() <= 0.5 + 1e-9
    assert np.array_equal(Direct().encode(image, pixel_max, 1), image)


@quick
@given(images, st.integers(1, 12))
def test_rate_is_of_zeros_and_ones_and_keeps_black_and_white(drawn, steps):
    image, pixel_max = drawn
    spikes = Rate().encode(image, pixel_max, steps, generators(3))
    assert spikes.shape == (*image.shape, steps)
    assert set(np.unique(spikes)) <= {0, 1}
    assert not spikes[image == 0].any()
    assert spikes[image == pixel_max].all()


def test_rate_fires_as_often_as_the_pixel_says():
    # 40,000 draws at 0.5 * 128 / 255: the mean is within five standard deviations of 0.0022.
    spikes = Rate(gain=0.5).encode(np.full((1, 1, 20, 20), 128, np.uint8), 255, 100, generators(1))
    assert abs(spikes.mean() - 0.5 * 128 / 255) < 0.011
    # Steps are independent: a neuron that fired fires as often as any.
    after = spikes[..., 1:][spikes[..., :-1] == 1]
    assert abs(after.mean() - 0.5 * 128 / 255) < 0.03


@quick
@given(images, st.integers(1, 9), st.integers(0, 99))
def test_rate_of_a_sample_does_not_depend_on_its_batch(drawn, steps, seed):
    image, pixel_max = drawn
    together = Rate().encode(image, pixel_max, steps, generators(3, seed))
    alone = Rate().encode(image[:1], pixel_max, steps, generators(1, seed))
    assert np.array_equal(together[:1], alone)
    again = Rate().encode(image, pixel_max, steps, generators(3, seed))
    assert np.array_equal(together, again)


def test_rate_needs_a_generator_for_each_sample():
    with pytest.raises(InputError, match="1 generators for 2 images"):
        Rate().encode(np.zeros((2, 1, 1, 1), np.uint8), 255, 4, generators(1))


def test_latency_by_hand():
    # T = 5: step 4 (1 - p/255), rounded; 5/255 is 3.92, 128/255 is 1.99. Below 0.01 * 255 = 2.55 nothing.
    spikes = Latency(threshold=0.01).encode(pixels(0, 2, 3, 5, 128, 255), 255, 5)
    assert spikes.sum(-1).ravel().tolist() == [0, 0, 1, 1, 1, 1]
    assert spikes.argmax(-1).ravel()[2:].tolist() == [4, 4, 2, 0]


@quick
@given(images, st.integers(1, 20), st.floats(0.01, 1))
def test_latency_fires_once_and_the_brighter_no_later(drawn, steps, threshold):
    image, pixel_max = drawn
    spikes = Latency(threshold=threshold).encode(image, pixel_max, steps)
    assert spikes.shape == (*image.shape, steps)
    fires = image / pixel_max >= threshold
    assert np.array_equal(spikes.sum(-1), fires)
    order = np.argsort(image[fires], kind="stable")
    assert (np.diff(spikes.argmax(-1)[fires][order]) <= 0).all()


def test_frames_by_hand():
    # First event at 100, last at 161, T = 3: windows of 61 // 3 = 20, so bins are 100.., 120.., 140..,
    # and 160 and 161 fall behind the last.
    events = np.array(
        [(0, 0, 100, 0), (0, 0, 119, 0), (1, 0, 120, 1), (1, 1, 159, 0), (0, 1, 160, 0), (0, 1, 161, 1)],
        EVENT,
    )
    expected = np.zeros((3, 2, 2, 2), int)
    expected[0, 0, 0, 0] = 2
    expected[1, 1, 0, 1] = 1
    expected[2, 0, 1, 1] = 1
    assert np.array_equal(event_frames(events, (2, 2, 2), 3), expected)
    encoded = Frames().encode([events], (2, 2, 2), 3)
    assert encoded.shape == (1, 2, 2, 2, 3)
    assert encoded[0, 0, 0, 0].tolist() == [1, 0, 0]
    assert Frames(input_max=2).encode([events], (2, 2, 2), 3)[0, 0, 0, 0].tolist() == [2, 0, 0]


@quick
@given(st.integers(2, 300), st.integers(1, 20), st.integers(20, 10_000), st.integers(0, 99))
def test_frames_are_tonics(count, steps, span, seed):
    sensor = (2, 5, 7)
    events = recording(count, sensor, span, seed)
    expected = tonic.transforms.ToFrame(sensor_size=sensor[::-1], n_time_bins=steps)(events)
    assert np.array_equal(event_frames(events, sensor, steps), expected)


@quick
@given(st.integers(2, 200), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
def test_frames_are_clipped_counts_whatever_the_batch_and_the_order(count, steps, input_max, seed):
    sensor = (2, 3, 3)
    events = [recording(count, sensor, 5000, seed), recording(count + 7, sensor, 900, seed + 1)]
    encoded = Frames(input_max=input_max).encode(events, sensor, steps)
    assert encoded.dtype == np.uint8
    assert np.array_equal(
        np.moveaxis(encoded[1], -1, 0), event_frames(events[1], sensor, steps).clip(0, input_max)
    )
    assert np.array_equal(encoded[:1], Frames(input_max=input_max).encode(events[:1], sensor, steps))
    shuffled = np.random.default_rng(seed).permutation(events[0])
    assert np.array_equal(encoded[:1], Frames(input_max=input_max).encode([shuffled], sensor, steps))


def test_frames_can_be_smaller_than_the_sensor():
    events = recording(500, (2, 8, 8), 9000)
    small = Frames(input_max=255, size=(4, 2)).encode([events], (2, 8, 8), 3)[0]
    whole = Frames(input_max=255).encode([events], (2, 8, 8), 3)[0]
    # Rows in pairs and columns in fours: 8 to 4 and 8 to 2.
    assert np.array_equal(small, whole.reshape(2, 4, 2, 2, 4, 3).sum((2, 4)))
    assert Frames(size=(4, 2)).shape((2, 8, 8)) == (2, 4, 2)
    with pytest.raises(InputError, match=r"frames of \(9, 8\); expected \(1, 1\) to \(8, 8\)"):
        Frames(size=(9, 8)).shape((2, 8, 8))


def test_many_events_at_one_pixel_do_not_wrap():
    events = np.zeros(70_001, EVENT)
    events["t"] = np.arange(70_001)
    assert event_frames(events, (1, 1, 1), 1).item() == 70_000
    assert Frames(input_max=255).encode([events], (1, 1, 1), 1).item() == 255


@pytest.mark.parametrize(
    ("events", "part"),
    [
        ([], "0 events over 0 us"),
        ([(0, 0, 5, 0)], "1 events over 0 us"),
        ([(0, 0, 5, 0), (0, 0, 7, 0)], "2 events over 2 us; they cannot be split into 4"),
        ([(0, 0, 0, 0), (3, 0, 99, 0)], "events with x from 0 to 3; expected 0 to 2"),
        ([(0, -1, 0, 0), (0, 0, 99, 0)], "events with y from -1 to 0"),
        ([(0, 0, 0, 2), (0, 0, 99, 0)], "events with p from 0 to 2"),
    ],
)
def test_frames_refuse_other_events(events, part):
    with pytest.raises(InputError, match=part):
        event_frames(np.array(events, EVENT), (2, 3, 3), 4)


@pytest.mark.parametrize("encoder", [Direct(), Rate(), Latency()])
@pytest.mark.parametrize(
    ("image", "pixel_max", "steps", "part"),
    [
        (np.zeros((1, 8, 8), np.uint8), 255, 4, r"shape \(1, 8, 8\)"),
        (np.zeros((1, 1, 8, 8)), 255, 4, "float64"),
        (np.full((1, 1, 2, 2), 17, np.uint8), 16, 4, "pixels from 17 to 17; expected 0 to 16"),
        (np.full((1, 1, 2, 2), -1, np.int64), 16, 4, "pixels from -1"),
        (np.zeros((1, 1, 2, 2), np.uint8), 0, 4, "pixel_max is 0"),
        (np.zeros((1, 1, 2, 2), np.uint8), 16, 0, "time_steps is 0"),
        (np.zeros((1, 1, 2, 2), np.uint8), 16, 1.5, "time_steps is 1.5"),
    ],
)
def test_images_are_checked(encoder, image, pixel_max, steps, part):
    with pytest.raises(InputError, match=part):
        encoder.encode(image, pixel_max, steps, generators(1))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Direct, {"input_max": 0}),
        (Direct, {"input_max": 256}),
        (Rate, {"gain": 0}),
        (Rate, {"gain": 1.1}),
        (Rate, {"gain": float("nan")}),
        (Latency, {"threshold": 0}),
        (Latency, {"threshold": float("inf")}),
        (Frames, {"input_max": 0}),
        (Frames, {"size": (4,)}),
        (Frames, {"bins": 4}),
    ],
)
def test_configurations_are_checked(kind, wrong):
    with pytest.raises(ValidationError):
        kind(**wrong)


def test_an_encoder_is_distinguished_by_its_kind():
    adapter = TypeAdapter(Encoder)
    for kind, encoder in ENCODERS.items():
        assert adapter.validate_python({"kind": kind}) == encoder()
    assert adapter.validate_python({"kind": "frames", "input_max": 3}) == Frames(input_max=3)
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "phase"})


def structured(kinds, *rows):
    return np.array(list(rows), dtype=kinds)


def test_events_without_rows_are_of_a_sensor_one_row_high():
    # As of spoken digits: 4 channels, times 0 to 20 us in two bins of 10.
    events = structured([("x", int), ("t", int), ("p", int)], (1, 0, 0), (3, 5, 0), (1, 12, 0), (0, 20, 0))
    frames = event_frames(events, (1, 1, 4), 2)
    assert frames[:, 0, 0].tolist() == [[0, 1, 0, 1], [0, 1, 0, 0]]
    with pytest.raises(InputError, match="have the fields x, t, p; y is missing"):
        event_frames(events, (1, 2, 4), 2)


def test_times_in_seconds_are_not_truncated_but_refused():
    kinds = [("x", int), ("y", int), ("t", float), ("p", int)]
    events = structured(kinds, (0, 0, 0.0, 0), (0, 0, 1.5, 0))
    with pytest.raises(InputError, match=r"t of type float64; .* by \(t \* 1e6\)\.astype"):
        event_frames(events, (1, 1, 1), 2)


def test_events_that_are_no_structured_array_are_refused():
    with pytest.raises(InputError, match="of no structured array"):
        event_frames(np.zeros((3, 4), int), (1, 1, 1), 2)
