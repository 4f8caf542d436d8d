"""Inputs of a run, validated."""

import numpy as np

from deploy.ir import Graph
from dpap.errors import InputError


def validate_inputs(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    """Check that inputs fit a graph, and give them back as unsigned integers.

    Parameters
    ----------
    graph : Graph
    inputs : array of shape (N, T, *input_shape)
        Whole numbers from 0 to ``graph.input_max``, of any numeric type.

    Raises
    ------
    InputError
        The shape does not fit, or a value is NaN, infinite, negative, fractional or too large; the index of
        the first is named.
    """
    inputs = np.asarray(inputs)
    expected = (graph.time_steps, *graph.input_shape)
    if inputs.shape[1:] != expected or inputs.ndim != len(expected) + 1:
        raise InputError(
            f"inputs have the shape {inputs.shape}; expected (N, {', '.join(map(str, expected))})"
        )
    return _whole_numbers(graph, inputs)


def validate_step(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    """The same for one step of one sample, of shape ``graph.input_shape``."""
    inputs = np.asarray(inputs)
    if inputs.shape != tuple(graph.input_shape):
        raise InputError(f"the input has the shape {inputs.shape}; expected {tuple(graph.input_shape)}")
    return _whole_numbers(graph, inputs)


def _whole_numbers(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    if not (np.issubdtype(inputs.dtype, np.number) or inputs.dtype == bool) or np.iscomplexobj(inputs):
        raise InputError(f"inputs are of type {inputs.dtype}; expected real numbers")
    with np.errstate(invalid="ignore"):
        valid = (inputs >= 0) & (inputs <= graph.input_max)
        if not np.issubdtype(inputs.dtype, np.integer) and inputs.dtype != bool:
            valid &= inputs == np.floor(inputs)
    if not valid.all():
        index = tuple(int(i) for i in np.argwhere(~valid)[0])
        raise InputError(
            f"inputs at index {index} are {float(inputs[index]):g}; expected whole numbers from 0 to"
            f" {graph.input_max}"
        )
    return inputs.astype(np.uint8 if graph.input_max < 256 else np.uint16)
