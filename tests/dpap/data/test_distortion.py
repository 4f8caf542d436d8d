"""Distortion: turned, scaled, moved and bent images."""

import numpy as np
import pytest
from pydantic import ValidationError

from dpap.data import Distortion, Split
from dpap.training.run_config import make_run_config

STILL = {"rotation": 0, "scaling": 0, "shift": 0}


class Fixed:
    """Stands for a generator whose uniform numbers are given: angle, factor, rows, columns."""

    def __init__(self, *uniform: float):
        self.uniform_numbers = np.array(uniform)

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        assert (low, high, size) == (-1, 1, 4)
        return self.uniform_numbers

    def standard_normal(self, shape, dtype) -> np.ndarray:
        return np.zeros(shape, dtype)


def image() -> np.ndarray:
    return np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 3, 3)


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


def test_nothing_asked_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 7, 4), np.uint8)
    distorted = Distortion(**STILL).apply(images, generators(5))
    assert distorted.dtype == np.uint8
    assert np.array_equal(distorted, images)


def test_a_quarter_turn_by_hand():
    # p = (row, column) = (-1, 0) comes from q = (row cos + column sin, column cos - row sin) = (0, 1) at 90
    # degrees: the middle of the top row is then the middle of the right column, 6.
    turned = Distortion(**STILL | {"rotation": 90}).apply(image(), [Fixed(1, 0, 0, 0)])
    assert turned[0, 0].tolist() == [[3, 6, 9], [2, 5, 8], [1, 4, 7]]


def test_a_movement_by_hand():
    # Down by one pixel and to the right by half of one: each pixel is the mean of the two at its left in the
    # row above, of which those beyond the border are 0: 0.5, 1.5, 2.5 under 1, 2, 3 and 2, 4.5, 5.5 under
    # 4, 5, 6, and halves go to the even number.
    moved = Distortion(**STILL | {"shift": 2}).apply(image(), [Fixed(0, 0, 0.5, 0.25)])
    assert moved[0, 0].tolist() == [[0, 0, 0], [0, 2, 2], [2, 4, 6]]


def test_a_scaling_by_hand():
    # Half as large again: what is a pixel from the centre comes from two thirds of one, so each step along a
    # row changes the value by 2/3 and along a column by 2: 5 - 2 - 2/3 = 2.33 in the upper left corner.
    large = Distortion(**STILL | {"scaling": 0.5}).apply(image(), [Fixed(0, 1, 0, 0)])
    assert large[0, 0].tolist() == [[2, 3, 4], [4, 5, 6], [6, 7, 8]]


def test_all_channels_are_distorted_together_and_a_sample_by_its_own_generator():
    images = np.random.default_rng(0).integers(1, 256, (4, 1, 9, 9), np.uint8)
    distortion = Distortion(elastic=1)
    together = distortion.apply(np.repeat(images, 3, 1), generators(4))
    assert (together == together[:, :1]).all()
    alone = distortion.apply(images[2:3], generators(4)[2:3])
    assert np.array_equal(alone[0, 0], together[2, 0])


def test_the_elastic_displacement_has_the_root_mean_square_asked_for():
    # A ramp of 8 a pixel: away from the border its change over 8 is the displacement along the rows.
    ramp = np.repeat(8 * np.arange(32, dtype=np.uint8), 32).reshape(1, 1, 32, 32)
    distorted = Distortion(**STILL, elastic=0.75, smoothness=2).apply(
        np.repeat(ramp, 400, 0), generators(400)
    )
    change = (distorted.astype(float) - ramp)[:, :, 6:26, 6:26] / 8
    assert np.sqrt((change**2).mean()) == pytest.approx(0.75, rel=0.03)


@pytest.mark.parametrize(
    "field, value", [("rotation", -1), ("scaling", 1), ("shift", float("nan")), ("elastic", -0.1)]
)
def test_values_that_cannot_be_are_refused(field, value):
    with pytest.raises(ValidationError, match=field):
        Distortion(**{field: value})


def test_a_configuration_distinguishes_the_two_kinds_and_a_split_draws_anew_each_epoch():
    config = make_run_config({"data": {"augmentation": {"rotation": 5}}})
    assert config.data.augmentation == Distortion(rotation=5)
    images = np.random.default_rng(0).integers(0, 17, (6, 1, 8, 8), np.uint8)
    split = Split(images, np.zeros(6, np.int64), 16, augmentation=config.data.augmentation)
    one, other = split.batch(np.arange(6), 1), split.batch(np.arange(6), 2)
    assert np.array_equal(one, split.batch(np.arange(6), 1))
    assert not np.array_equal(one, other)
    assert np.array_equal(split.batch(np.arange(6)), images)
