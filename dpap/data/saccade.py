r"""Simulated saccades: an image seen by an event camera that moves, as N-MNIST was recorded.

The camera turns along three straight saccades, so that the image moves over the sensor on a triangle:

.. math:: (0, 0) \to (d/2, d) \to (d, 0) \to (0, 0)

A pixel holds the logarithm of the light at its last event and gives an event each time that the present
one has moved from it by the contrast threshold:

.. math::
    L &= \ln\left(b + (1 - b)\, \frac{p}{p_{max}}\right) \\
    |L(t) - L_{last}| &\ge \theta \;\Rightarrow\; \text{event of polarity } [L(t) > L_{last}],
    \quad L_{last} \leftarrow L_{last} \pm \theta

The image between pixels is interpolated linearly, and so is :math:`L` between positions. There is no noise.

Sources: G. Orchard et al., Converting static image datasets to spiking neuromorphic datasets using saccades,
Frontiers in Neuroscience 9:437, 2015 (the triangle: as the data set's own stabilisation undoes it,
``stabilize`` in tonic); P. Lichtsteiner et al., A 128 x 128 120 dB 15 us latency asynchronous temporal
contrast vision sensor, IEEE JSSC 43(2), 2008 (the pixel).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

EVENT = np.dtype([("x", np.uint8), ("y", np.uint8), ("t", np.int32), ("p", np.uint8)])
"""An event: column, row, microseconds, and polarity (1 where it became brighter)."""

_DECIMALS = 9
"""To which a change of the light is rounded, in thresholds: where an image comes back to where it was, the
change is a whole number of thresholds, and no machine's last bit may decide."""


class SaccadeConfig(BaseModel):
    r"""How images are looked at.

    Attributes
    ----------
    size : int
        Height and width of the sensor, in whose middle the image moves.
    travel : float
        :math:`d`, how far the image moves, in pixels. N-MNIST's images of 28 pixels move by 7.
    duration_us : int
        Of one saccade, in microseconds; N-MNIST's take 105 ms each.
    positions : int
        At how many positions along a saccade the light is computed.
    threshold : float
        :math:`\theta`, in units of the natural logarithm.
    black : float
        :math:`b`, the light of a black pixel relative to a white one's: screens are not quite black.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(12, ge=1, le=256)
    travel: float = Field(2.0, gt=0, le=64)
    duration_us: int = Field(105_000, ge=1000, le=10_000_000)
    positions: int = Field(21, ge=1, le=1000)
    threshold: float = Field(0.3, gt=0, allow_inf_nan=False)
    black: float = Field(0.1, gt=0, lt=1)


def simulate(images: np.ndarray, pixel_max: int, config: SaccadeConfig) -> list[np.ndarray]:
    """Events of images.

    Parameters
    ----------
    images : unsigned array of shape (N, H, W)
        From 0 to ``pixel_max``.
    config : SaccadeConfig

    Returns
    -------
    list of N structured arrays
        With the fields x, y, t and p, in the order of time, over three saccades.
    """
    parts = list(_events(images / pixel_max, config)) if len(images) else []
    sample = np.concatenate([np.empty(0, int), *(samples for samples, _ in parts)])
    events = np.concatenate([np.empty(0, EVENT), *(events for _, events in parts)])
    order = np.lexsort((events["x"], events["y"], events["t"], sample))
    bounds = np.searchsorted(sample[order], np.arange(len(images) + 1))
    events = events[order]
    return [events[start:stop] for start, stop in pairwise(bounds)]


def path(config: SaccadeConfig) -> np.ndarray:
    """Positions (x, y) of the image along the three saccades, from the first, in pixels."""
    corners = config.travel * np.array([[0, 0], [0.5, 1], [1, 0], [0, 0]])
    along = np.arange(1, config.positions + 1)[:, None] / config.positions
    legs = [start + along * (end - start) for start, end in pairwise(corners)]
    return np.concatenate([corners[:1], *legs])


def _events(brightness: np.ndarray, config: SaccadeConfig) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sample numbers and events, between one position and the next."""
    interval = config.duration_us / config.positions
    positions = path(config)
    before = last = _light(brightness, positions[0], config)
    for index, position in enumerate(positions[1:]):
        now = _light(brightness, position, config)
        steps = np.trunc(np.round((now - last) / config.threshold, _DECIMALS))
        for count in range(1, int(np.abs(steps).max()) + 1):
            where = np.nonzero(np.abs(steps) >= count)
            sign = np.sign(steps[where])
            crossed = last[where] + sign * count * config.threshold - before[where]
            moved = now[where] - before[where]
            # Rounding can leave a pixel that did not change at its threshold.
            share = np.divide(crossed, moved, out=np.zeros_like(moved), where=moved != 0)
            events = np.empty(len(sign), EVENT)
            events["y"], events["x"] = where[1:]
            events["t"] = (index + np.clip(share, 0, 1)) * interval
            events["p"] = sign > 0
            yield where[0], events
        last = last + steps * config.threshold
        before = now


def _light(brightness: np.ndarray, position: np.ndarray, config: SaccadeConfig) -> np.ndarray:
    """Logarithm of the light on the sensor, ``(N, size, size)``, with the image at a position."""
    height, width = brightness.shape[1:]
    columns = _weights(width, position[0], config)
    rows = _weights(height, position[1], config)
    seen = rows @ brightness @ columns.T
    return np.log(config.black + (1 - config.black) * seen)


def _weights(size: int, moved: float, config: SaccadeConfig) -> np.ndarray:
    """Shares of an image's pixels in each pixel of the sensor, along one axis."""
    origin = (config.size - size - config.travel) / 2 + moved
    distance = np.arange(config.size)[:, None] - origin - np.arange(size)
    return np.maximum(0, 1 - np.abs(distance))
