"""The papers' notation for networks, as in ``15C3-AP2-40C3-AP2-300FC-10FC``.

=====================  =====================================================================
token                  layer
=====================  =====================================================================
``Input``              the input, optional, only first
``15C3``               convolution, 15 channels, kernel 3 x 3, stride 1, padding that keeps the size
``AP2``, ``AvgPool2``  average pooling over 2 x 2, stride 2
``Flatten``            optional: a dense layer flattens its input by itself
``300FC``              fully connected, 300 neurons
=====================  =====================================================================

Source: Han et al. 2024, section 2.2; the padding is that of the authors' code, whose first dense layer has
40 x 7 x 7 inputs for images of 28 x 28.
"""

import re
from dataclasses import dataclass

from dpap.errors import NetworkError

MAX_NOTATION = 4096
"""Characters of a notation; anything longer is not a network description."""


@dataclass(frozen=True)
class ConvToken:
    """``<channels>C<kernel>``."""

    channels: int
    kernel: int


@dataclass(frozen=True)
class PoolToken:
    """``AP<window>``."""

    window: int


@dataclass(frozen=True)
class DenseToken:
    """``<neurons>FC``."""

    neurons: int


@dataclass(frozen=True)
class FlattenToken:
    """``Flatten``."""


Token = ConvToken | PoolToken | DenseToken | FlattenToken

_PATTERNS = (
    (re.compile(r"(\d{1,6})C(\d{1,3})"), lambda m: ConvToken(int(m[1]), int(m[2]))),
    (re.compile(r"(?:AP|AvgPool)(\d{1,3})"), lambda m: PoolToken(int(m[1]))),
    (re.compile(r"(\d{1,6})FC"), lambda m: DenseToken(int(m[1]))),
    (re.compile(r"Flatten"), lambda m: FlattenToken()),
)


def parse(notation: str) -> list[Token]:
    """Split a notation into its layers.

    Raises
    ------
    NetworkError
        A token is not known (named with its position), has a size of zero, or there is none.
    """
    if not isinstance(notation, str):
        raise NetworkError(f"a network's notation is text, not {type(notation).__name__}")
    if len(notation) > MAX_NOTATION:
        raise NetworkError(f"notation of {len(notation)} characters; at most {MAX_NOTATION}")
    words = [word.strip() for word in notation.split("-")]
    tokens: list[Token] = []
    for position, word in enumerate(words, start=1):
        if word == "Input" and position == 1:
            continue
        tokens.append(_parse_word(word, position, notation))
    if not any(isinstance(token, DenseToken) for token in tokens):
        raise NetworkError(f"{notation!r} has no fully connected layer to classify with, such as 10FC")
    return tokens


def _parse_word(word: str, position: int, notation: str) -> Token:
    for pattern, make in _PATTERNS:
        match = pattern.fullmatch(word)
        if match:
            token = make(match)
            if 0 in vars(token).values():
                raise NetworkError(f"token {position} of {notation!r}, {word!r}, has a size of zero")
            return token
    raise NetworkError(
        f"token {position} of {notation!r}, {word!r}, is not known;"
        " use convolutions (15C3), average pools (AP2 or AvgPool2), Flatten,"
        " and fully connected layers (300FC)"
    )
