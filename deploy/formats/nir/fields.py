"""Validation of the fields of NIR nodes; a file may have anything in them."""

import numpy as np

from deploy.errors import CompileError, FormatError

Shape = tuple[int, ...]
Pair = tuple[int, int]

ALIKE = 1e-6
"""Relative difference up to which parameters of neurons are the same, since files keep them in float32."""

MAX_WINDOW = 1 << 12
"""Largest kernel size, stride, padding or dilation."""


def numbers(name: str, field: str, values) -> np.ndarray:
    """A field as finite numbers, float64.

    Parameters
    ----------
    name, field : str
        Of the node and the field, for errors.
    values
        What the file has.

    Raises
    ------
    FormatError
        It is something else, or empty.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{name}: its {field} is not numbers ({error})") from error
    if not array.size or not np.isfinite(array).all():
        raise FormatError(f"{name}: its {field} has a value that is not finite, or none")
    return array


def read_weight(name: str, node, axes: int) -> np.ndarray:
    """Weights of a node, with so many axes."""
    weight = numbers(name, "weight", node.weight)
    if weight.ndim != axes:
        raise FormatError(f"{name}: its weight has the shape {weight.shape}; expected {axes} axes")
    return weight


def read_bias(name: str, node) -> np.ndarray:
    """Biases of a node, one an output, or a single zero."""
    if getattr(node, "bias", None) is None:
        return np.zeros(1)
    bias = numbers(name, "bias", node.bias).ravel()
    if bias.size not in (1, len(node.weight)):
        raise FormatError(f"{name}: {bias.size} biases for {len(node.weight)} outputs")
    return bias


def read_pair(name: str, node, field: str) -> tuple[int, int]:
    """Whole numbers of height and width."""
    values = numbers(name, field, getattr(node, field)).ravel()
    if values.size not in (1, 2) or (values != values.round()).any() or abs(values).max() > MAX_WINDOW:
        raise FormatError(f"{name}: its {field} is {values}; expected one or two whole numbers")
    return int(values[0]), int(values[-1])


def read_padding(name: str, node, kernel: Shape, dilation: tuple[int, int]) -> tuple[int, int]:
    """Zeros at each border; NIR may say them as ``same`` or ``valid``."""
    if not isinstance(node.padding, (str, bytes)):
        return read_pair(name, node, "padding")
    if node.padding in ("valid", b"valid"):
        return (0, 0)
    margins = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(margin % 2 for margin in margins) or read_pair(name, node, "stride") != (1, 1):
        raise CompileError(f"{name}: padding 'same' with kernels of {kernel}; use odd kernels and stride 1")
    return margins[0] // 2, margins[1] // 2


def by_channel(name: str, field: str, values: np.ndarray, shape: Shape) -> np.ndarray:
    """One value a channel (or neuron), where a file has one for all, for each channel or for each neuron."""
    if values.size == 1:
        return np.full(shape[0], values.item())
    if values.shape == tuple(shape):
        each = values.reshape(shape[0], -1)
        if np.allclose(each, each[:, :1], rtol=ALIKE, atol=0):
            return each[:, 0]
        raise CompileError(f"{name}: its {field} differs between the positions of a channel; write it alike")
    raise FormatError(f"{name}: its {field} has the shape {values.shape} for neurons of {tuple(shape)}")
