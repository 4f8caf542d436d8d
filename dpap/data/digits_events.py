"""scikit-learn's digits as an event camera would see them in three saccades: event data with no download.

The images and their parts are those of :mod:`dpap.data.digits`; :mod:`dpap.data.saccade` says how they move.
Relative to its image, the movement is N-MNIST's: 2 of 8 pixels where that has 7 of 28.
"""

import numpy as np

from dpap.data import digits
from dpap.data.data_set import DataSet, Request
from dpap.data.recordings import HeldRecordings
from dpap.data.saccade import SaccadeConfig, simulate
from dpap.encoders import Frames

SACCADE = SaccadeConfig()


def _read(request: Request) -> tuple[HeldRecordings, np.ndarray]:
    split = digits.load_digits()[not request.train]
    events = simulate(split.inputs[:, 0], split.input_max, SACCADE)
    return HeldRecordings(events, DATA_SET.sample_shape), split.labels


DATA_SET = DataSet(
    name="digits-events",
    source=f"{digits.DATA_SET.source}; saccades simulated as in N-MNIST",
    classes=digits.DATA_SET.classes,
    sample_shape=(2, SACCADE.size, SACCADE.size),
    pixel_max=None,
    encoder=Frames(),
    time_steps=8,
    time_steps_source="chosen here: the paper has no results on this data set",
    counts=digits.DATA_SET.counts,
    folder="",
    read=_read,
)
