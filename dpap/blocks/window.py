"""Windows that slide over an image: their sizes, and what they leave of it."""

from dpap.errors import NetworkError

Extent = int | tuple[int, int]
"""One number for height and width, or both."""


def pair(extent: Extent) -> tuple[int, int]:
    """Height and width."""
    return (extent, extent) if isinstance(extent, int) else (int(extent[0]), int(extent[1]))


def window_extent(
    name: str,
    size: tuple[int, ...],
    window: Extent,
    stride: Extent = 1,
    padding: Extent = 0,
    dilation: Extent = 1,
) -> tuple[int, int]:
    r"""Height and width after a window has slid over an image.

    .. math::
        \left\lfloor \frac{n + 2p - d (k - 1) - 1}{s} \right\rfloor + 1

    Parameters
    ----------
    name : str
        The layer, for errors.
    size : pair of int
        Height and width n of the image.
    window, stride, padding, dilation : int or pair of int
        k, s, p and d.

    Raises
    ------
    NetworkError
        The window is larger than the image, or a number is out of range.
    """
    extent = []
    for n, k, s, p, d in zip(size, pair(window), pair(stride), pair(padding), pair(dilation), strict=True):
        if min(k, s, d) < 1 or p < 0:
            raise NetworkError(
                f"{name}: window {k}, stride {s}, padding {p}, dilation {d}; expected each at least 1, and"
                " padding at least 0"
            )
        room = n + 2 * p - d * (k - 1) - 1
        if room < 0:
            raise NetworkError(
                f"{name}: its window is larger than its input: {k} (dilation {d}) against {n} (padding {p})"
            )
        extent.append(room // s + 1)
    return extent[0], extent[1]
