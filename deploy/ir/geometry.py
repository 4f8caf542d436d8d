"""Windows that slide over an image, as convolutions and pools use them."""

from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Geometry of a two-dimensional convolution; pairs are of height and width.

    Attributes
    ----------
    kernel, stride, padding, dilation : pair of int
        Size of the kernel, its step, zeros at each border, distance of its elements.
    extra : pair of int
        More zeros below and to the right, as lava-dl's pools add them.
    groups : int
        Parts that the channels are divided into; each receives the inputs of its own part.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    extra: Pair = (0, 0)

    def extent(self, height: int, width: int) -> Pair:
        """Height and width of the output."""
        rows, columns = (
            (n + 2 * p + e - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d, e in zip(
                (height, width),
                self.kernel,
                self.stride,
                self.padding,
                self.dilation,
                self.extra,
                strict=True,
            )
        )
        return rows, columns

    def sources(self, axis: int, outputs: int) -> np.ndarray:
        """Input position of each kernel element at each output position along an axis, ``(kernel, outputs)``.

        Positions may be outside the input, in the padding.
        """
        element = np.arange(self.kernel[axis]) * self.dilation[axis]
        return element[:, None] + np.arange(outputs) * self.stride[axis] - self.padding[axis]

    def reached(self, axis: int, inputs: int, outputs: int) -> np.ndarray:
        """Output positions along an axis that each input position reaches, int64 ``(inputs,)``."""
        positions = self.sources(axis, outputs).ravel()
        inside = positions[(positions >= 0) & (positions < inputs)]
        return np.bincount(inside, minlength=inputs)


def pooled_shape(shape: Shape, pool: int) -> Shape:
    """Shape of a source after its windows are summed; what does not fill a window is dropped."""
    if pool == 1:
        return tuple(shape)
    channels, height, width = shape
    return (channels, height // pool, width // pool)


def over_windows(pooled: np.ndarray, source: Shape, pool: int) -> np.ndarray:
    """Give each position of a source the value of its window; zero where no window is filled.

    Parameters
    ----------
    pooled : integer array of shape ``pooled_shape(source, pool)``
    source : tuple of int
    pool : int

    Returns
    -------
    int64 array of shape ``source``, flattened
    """
    if pool == 1:
        return np.ascontiguousarray(pooled, np.int64).ravel()
    full = np.zeros(source, np.int64)
    spread = pooled.repeat(pool, axis=1).repeat(pool, axis=2)
    full[:, : spread.shape[1], : spread.shape[2]] = spread
    return full.ravel()
