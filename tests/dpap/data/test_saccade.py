import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tonic.datasets.nmnist import NMNIST, stabilize

from dpap.data import load, load_digits
from dpap.data.saccade import SaccadeConfig, path, simulate
from dpap.errors import InputError

quick = settings(max_examples=15)

BLACK = np.array([[[255]]], np.uint8)
"""An image of one pixel of ink."""


def counts(events, polarity, size):
    """Events of a polarity by row and column."""
    chosen = events[events["p"] == polarity]
    return np.bincount(chosen["y"].astype(int) * size + chosen["x"], minlength=size * size).reshape(
        size, size
    )


def test_the_path_is_a_triangle():
    # Down and right, up and right, and back, in two steps each.
    config = SaccadeConfig(travel=4, positions=2)
    expected = [(0, 0), (1, 2), (2, 4), (3, 2), (4, 0), (2, 0), (0, 0)]
    assert np.array_equal(path(config), expected)


def test_a_black_pixel_by_hand():
    # It goes over three by three pixels: (0, 0), (1, 2), (2, 0), (0, 0). From white to black the light falls
    # by -ln 0.1 = 2.30, which is four thresholds of 0.5. Half way along a slanted saccade it lies half on
    # each of two pixels, -ln 0.55 = 0.60, one threshold; a quarter of the way at most an eighth of it
    # touches the pixel beside, -ln 0.8875 = 0.12, none. What has fallen rises again.
    config = SaccadeConfig(size=3, travel=2, positions=20, threshold=0.5, black=0.1)
    (events,) = simulate(BLACK, 255, config)
    expected = [[4, 4, 4], [1, 1 + 1, 1], [0, 4, 0]]
    assert counts(events, 1, 3).tolist() == expected
    assert counts(events, 0, 3).tolist() == expected
    # The pixel that is black at first gets brighter, and dark again in the end.
    assert events["p"][(events["x"] == 0) & (events["y"] == 0)].tolist() == [1] * 4 + [0] * 4


def test_an_event_is_at_the_time_at_which_the_light_crosses_the_threshold():
    # Along the third saccade, 100 steps of 1 ms, the pixel at (0, 0) gets darker from half of the way on: its
    # light is 1 - 0.9 w after a share (1 + w) / 2.
    config = SaccadeConfig(size=3, travel=2, positions=100, duration_us=100_000, threshold=0.5, black=0.1)
    (events,) = simulate(BLACK, 255, config)
    times = events["t"][(events["x"] == 0) & (events["y"] == 0) & (events["p"] == 0)]
    # Black is 0.1; after four thresholds of brightening the pixel holds 0.1 exp(2).
    levels = 0.1 * np.exp(2 - 0.5 * np.arange(1, 5))
    expected = 200_000 + 100_000 * (1 + (1 - levels) / 0.9) / 2
    # The logarithm is straight between positions 1 ms apart.
    assert np.abs(times - expected).max() < 100


def test_tonics_stabilisation_undoes_the_movement():
    config = SaccadeConfig(size=34, travel=7)
    (events,) = simulate(BLACK, 255, config)
    seen = np.empty(len(events), NMNIST.dtype)
    for field in "xytp":
        seen[field] = events[field]
    still = stabilize(seen.copy())
    assert np.ptp(seen["x"]) >= 7
    assert np.ptp(seen["y"]) >= 7
    # A pixel's light lies on two by two at a time, and positions are rounded.
    assert np.ptp(still["x"]) <= 3
    assert np.ptp(still["y"]) <= 3
    assert max(still["x"].std(), still["y"].std()) < 0.8


images = st.integers(0, 10_000).map(
    lambda seed: np.random.default_rng(seed).integers(0, 17, (2, 5, 5), np.uint8)
)


@quick
@given(images, st.floats(0.05, 1.0), st.floats(0.5, 4.0))
def test_what_has_become_brighter_becomes_darker_again(image, threshold, travel):
    config = SaccadeConfig(size=9, travel=travel, threshold=threshold)
    for events in simulate(image, 16, config):
        # The path is closed, so a pixel ends at the light that it started from.
        assert np.array_equal(counts(events, 0, 9), counts(events, 1, 9))
        assert (np.diff(events["t"]) >= 0).all()
        assert len(events) == 0 or 0 < events["t"][-1] <= 3 * config.duration_us


@quick
@given(images)
def test_an_image_gives_the_same_events_alone(image):
    together = simulate(image, 16, SaccadeConfig())
    assert np.array_equal(simulate(image[1:], 16, SaccadeConfig())[0], together[1])


def test_a_plain_image_gives_no_events():
    assert [len(events) for events in simulate(np.zeros((3, 8, 8), np.uint8), 16, SaccadeConfig())] == [0] * 3
    assert simulate(np.zeros((0, 8, 8), np.uint8), 16, SaccadeConfig()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"threshold": 0}, {"black": 0}, {"black": 1}, {"travel": float("nan")}, {"size": 257}, {"speed": 1}],
)
def test_the_configuration_is_checked(wrong):
    with pytest.raises(ValidationError):
        SaccadeConfig(**wrong)


def test_images_are_checked():
    with pytest.raises(InputError, match="pixels from 255 to 255; expected 0 to 16"):
        simulate(BLACK, 16, SaccadeConfig())
    with pytest.raises(InputError, match="float64"):
        simulate(BLACK / 255, 1, SaccadeConfig())


def test_digits_as_events_are_the_same_digits():
    for seen, plain in zip(load("digits-events"), load_digits(), strict=True):
        assert np.array_equal(seen.labels, plain.labels)
        assert seen.input_shape == (2, 12, 12)
        sizes = [len(seen.inputs[index]) for index in range(len(seen))]
        assert min(sizes) > 100
        batch = seen.batch([0, 1])
        assert batch.shape == (2, 2, 12, 12, 8)
        # Both polarities, in every bin of time.
        assert (batch.sum((2, 3)) > 0).all()
