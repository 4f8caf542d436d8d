"""The papers' notation for networks, as in ``15C3-AP2-40C3-AP2-300FC-10FC``.

======================  ====================================================================
token                   layer
======================  ====================================================================
``Input``               the input, optional, only first
``15C3``, ``15C3x5``    convolution, 15 channels, kernel 3 x 3, or 3 high and 5 wide
``15C3s2p0d1g4``        the same with stride 2, padding 0, dilation 1, 4 groups, each where it differs: stride
                        1, the padding that keeps the size at stride 1, dilation 1, 1 group
``AP2``, ``AvgPool2``   average pool over 2 x 2, stride 2
``MP2``, ``MaxPool2``   maximum pool; ``MP3s2p1`` with stride and padding, as all pools
``SP2``, ``SumPool2``   pool with neurons, which receive the sum of their window
``300FC``               fully connected, 300 neurons
``300RFC``              the same with recurrent synapses
``BN``                  batch normalisation of the convolution or fully connected layer before
``DP0.5``               dropout with probability 0.5 (also ``Dropout0.5``)
``Delay8``              learned axonal delays of up to 8 steps of the layer before
``Res(16C3-16C3)``      the layers in parentheses, and their input added to their spikes
``Res(A|B)``            the spikes of the layers A and of the layers B, added
``Flatten``             optional: a fully connected layer flattens its input by itself
``VGG16``               the 13 convolutions and two 512FC of VGG16 for small images, with BN
======================  ====================================================================

Source: Han et al. 2024, sections 2.2 and 2.4; the padding is that of the authors' code, whose first dense
layer has 40 x 7 x 7 inputs for images of 28 x 28. VGG16: Simonyan and Zisserman 2015, configuration D, with
the 512 neurons that images of 32 x 32 leave for its fully connected layers. The other tokens are ours.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dpap.errors import NetworkError

MAX_NOTATION = 4096
"""Characters of a notation; anything longer is not a network description."""

MAX_DEPTH = 8
"""Residual connections within each other."""

VGG16 = (
    "64C3-BN-64C3-BN-MP2-128C3-BN-128C3-BN-MP2-256C3-BN-256C3-BN-256C3-BN-MP2-512C3-BN-512C3-BN-512C3-BN-MP2"
    "-512C3-BN-512C3-BN-512C3-BN-MP2-512FC-BN-512FC-BN"
)
"""What the token ``VGG16`` stands for."""


@dataclass(frozen=True)
class ConvToken:
    """``<channels>C<kernel>``; a padding of None keeps the size at stride 1."""

    channels: int
    kernel: int | tuple[int, int]
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    groups: int = 1
    norm: bool = False


@dataclass(frozen=True)
class PoolToken:
    """``AP<window>``, ``MP<window>`` or ``SP<window>``; a stride of None is the window."""

    window: int
    kind: str = "average"
    stride: int | None = None
    padding: int = 0


@dataclass(frozen=True)
class DenseToken:
    """``<neurons>FC`` or ``<neurons>RFC``."""

    neurons: int
    recurrent: bool = False
    norm: bool = False


@dataclass(frozen=True)
class DropoutToken:
    """``DP<probability>``."""

    probability: float


@dataclass(frozen=True)
class DelayToken:
    """``Delay<steps>``."""

    highest: int


@dataclass(frozen=True)
class ResidualToken:
    """``Res(<body>)`` or ``Res(<body>|<shortcut>)``; an empty shortcut is the input itself."""

    body: tuple["Token", ...]
    shortcut: tuple["Token", ...] = ()


@dataclass(frozen=True)
class FlattenToken:
    """``Flatten``."""


@dataclass(frozen=True)
class NormToken:
    """``BN``; :func:`parse` makes it a property of the token before."""


Token = ConvToken | PoolToken | DenseToken | DropoutToken | DelayToken | ResidualToken | FlattenToken

_POOLS = {
    "AP": "average",
    "AvgPool": "average",
    "MP": "max",
    "MaxPool": "max",
    "SP": "sum",
    "SumPool": "sum",
}

_OPTIONS = re.compile(r"([spdg])(\d{1,4})")
_SUFFIX = r"((?:[spdg]\d{1,4})*)"


def _conv(match: re.Match) -> ConvToken:
    kernel = int(match[2]) if match[3] is None else (int(match[2]), int(match[3]))
    return ConvToken(int(match[1]), kernel, **_options(match[4], "spdg"))


def _pool(match: re.Match) -> PoolToken:
    return PoolToken(int(match[2]), _POOLS[match[1]], **_options(match[3], "sp"))


def _options(text: str, known: str) -> dict[str, Any]:
    names = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups"}
    options: dict[str, Any] = {}
    for letter, number in _OPTIONS.findall(text):
        if letter not in known or names[letter] in options:
            raise ValueError(f"{letter}{number}")
        options[names[letter]] = int(number)
    return options


_PATTERNS: tuple[tuple[re.Pattern, Callable[[re.Match], Token | NormToken]], ...] = (
    (re.compile(r"(\d{1,6})C(\d{1,3})(?:x(\d{1,3}))?" + _SUFFIX), _conv),
    (re.compile(r"(AP|AvgPool|MP|MaxPool|SP|SumPool)(\d{1,3})" + _SUFFIX), _pool),
    (re.compile(r"(\d{1,6})FC"), lambda m: DenseToken(int(m[1]))),
    (re.compile(r"(\d{1,6})RFC"), lambda m: DenseToken(int(m[1]), recurrent=True)),
    (re.compile(r"BN"), lambda m: NormToken()),
    (re.compile(r"(?:DP|Dropout)(0(?:\.\d{1,4})?)"), lambda m: DropoutToken(float(m[1]))),
    (re.compile(r"Delay(\d{1,2})"), lambda m: DelayToken(int(m[1]))),
    (re.compile(r"Flatten"), lambda m: FlattenToken()),
)

_KEYWORDS = {
    word.lower(): word
    for word in (
        *("C", "AP", "AvgPool", "MP", "MaxPool", "SP", "SumPool", "FC", "RFC"),
        *("BN", "DP", "Dropout", "Delay", "Flatten"),
    )
}

_AT_LEAST_ONE = ("channels", "kernel", "stride", "dilation", "groups", "window", "neurons", "highest")


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
    tokens = _parse_chain(notation, notation, first="Input")
    if not any(isinstance(token, DenseToken) for token in tokens):
        raise NetworkError(f"{notation!r} has no fully connected layer to classify with, such as 10FC")
    return tokens


def _parse_chain(text: str, notation: str, first: str | None = None, depth: int = 0) -> list[Token]:
    if depth > MAX_DEPTH:
        raise NetworkError(f"{notation!r} has more than {MAX_DEPTH} residual connections within each other")
    tokens: list[Token] = []
    for position, word in enumerate(_split(text, "-"), start=1):
        where = f"token {position} of {text!r}, {word!r},"
        if word == first and position == 1:
            continue
        if word == "VGG16":
            tokens.extend(_parse_chain(VGG16, VGG16))
            continue
        token = _parse_word(word, where, notation, depth)
        if isinstance(token, NormToken):
            if not tokens or not isinstance(tokens[-1], (ConvToken, DenseToken)) or tokens[-1].norm:
                raise NetworkError(
                    f"{where} normalises the layer before, which must be a convolution (128C3-BN) or a fully"
                    " connected layer"
                )
            if isinstance(tokens[-1], DenseToken) and tokens[-1].recurrent:
                raise NetworkError(f"{where} follows a recurrent layer, which cannot be normalised")
            tokens[-1] = replace(tokens[-1], norm=True)
        else:
            tokens.append(token)
    return tokens


def _split(text: str, separator: str) -> list[str]:
    """Parts of a text between separators outside parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _parse_word(word: str, where: str, notation: str, depth: int) -> Token | NormToken:
    if word.startswith("Res(") and word.endswith(")"):
        branches = _split(word[4:-1], "|")
        if len(branches) > 2 or not all(branches):
            raise NetworkError(f"{where} has {len(branches)} branches; expected Res(A) or Res(A|B)")
        return ResidualToken(*(tuple(_parse_chain(b, notation, depth=depth + 1)) for b in branches))
    for pattern, make in _PATTERNS:
        match = pattern.fullmatch(word)
        if match:
            try:
                token = make(match)
            except ValueError as error:
                raise NetworkError(
                    f"{where} has the option {error}, which is unknown or given twice"
                ) from error
            if any(0 in _numbers(token, name) for name in _AT_LEAST_ONE):
                raise NetworkError(f"{where} has a size of zero")
            return token
    raise NetworkError(
        f"{where} is not known; use convolutions (15C3, 32C3s2p1), pools (AP2, MaxPool2, SP2), BN, DP0.5,"
        " Delay8, Flatten, fully connected layers (300FC, 300RFC), residual connections (Res(16C3-16C3)) and"
        f" VGG16{_in_other_letters(word)}"
    )


def _in_other_letters(word: str) -> str:
    """A suggestion where a token is written in other letters, as ``16c3``."""
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(.*)", word)
    if found is None or (keyword := _KEYWORDS.get(found[2].lower())) is None:
        return ""
    token = found[1] + keyword + found[3].lower()
    return f"; did you mean {token!r}?" if any(each.fullmatch(token) for each, _ in _PATTERNS) else ""


def _numbers(token: Token | NormToken, name: str) -> tuple[int, ...]:
    value = getattr(token, name, None)
    return value if isinstance(value, tuple) else (value,)
