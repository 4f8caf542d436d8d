"""Data that commands take: a data set by name, or a file of inputs."""

from pathlib import Path

import numpy as np

from deploy.graph import Graph
from dpap.data import load_digits
from dpap.errors import DataError


def load_inputs(graph: Graph, data: str, samples: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs ``(N, T, *input_shape)``, and labels where the data has them.

    Parameters
    ----------
    graph : Graph
        What they are for.
    data : str
        ``digits`` (the test split), or the path of a ``.npy`` file of shape (N, T, *input_shape).
    samples : int, optional
        The first so many.

    Raises
    ------
    DataError
        There is no such data, or the file is damaged or holds objects.
    """
    if data == "digits":
        _, test = load_digits()
        return test.over_time(graph.time_steps, samples), test.labels[:samples]
    path = Path(data)
    if not path.is_file():
        raise DataError(
            f"data {data!r} is neither a file nor a data set; use digits, or a .npy file of inputs"
        )
    try:
        inputs = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: not a .npy file of numbers, or damaged ({error})") from error
    if not isinstance(inputs, np.ndarray):
        raise DataError(f"{path}: an archive; expected a .npy file with one array of inputs")
    return inputs[:samples], None
