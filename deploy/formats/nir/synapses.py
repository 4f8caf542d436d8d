r"""The synapses of one population of a NIR graph: several nodes, as the weights of one block.

Edges that end in one node add up, so that a population behind nodes :math:`W_i` with the sources :math:`x_i`
is driven by :math:`\sum_i W_i x_i + b_i`. Three rules make one block of them, in this order:

* nodes of the same source: their weights are added, :math:`(W_1 + W_2) x`;
* nodes of the same weights: their sources are added, :math:`W (x_1 + x_2)` (:class:`dpap.blocks.Addition`);
* what remains: the sources are concatenated and the weights likewise, :math:`[W_1, W_2] [x_1; x_2]`
  (:class:`dpap.blocks.Concatenation`).

Convolutions of one population need the same stride, dilation and position of the output over the input.
Kernels of different sizes are filled up with zeros, groups with kernels of zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deploy.errors import CompileError, FormatError
from deploy.formats.nir.fields import (
    Pair,
    Shape,
    numbers,
    read_bias,
    read_padding,
    read_pair,
    read_weight,
)
from deploy.formats.nir.topology import kind


@dataclass(frozen=True)
class Place:
    """Activity that a node gives.

    Attributes
    ----------
    layer : str
        The layer of the network that it is of.
    shape : tuple of int
    bound, divisor : int
        Its largest value, and the one that stands for the real 1.
    """

    layer: str
    shape: Shape
    bound: int
    divisor: int


@dataclass(frozen=True)
class Window:
    """How kernels slide over an image; pairs are of height and width."""

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int = 1

    def extent(self, kernel: Shape, image: Shape) -> tuple[int, ...]:
        """Height and width of the output."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(image, kernel, self.stride, self.padding, self.dilation, strict=True)
        )


@dataclass(frozen=True)
class Synapses:
    """The synapses of a population, or of a part of it.

    Attributes
    ----------
    name : str
        Of the node that has the weights, or of the first of several.
    weight : float64 array of shape (out, in) or (out, in / groups, height, width)
        In the units of sources whose ``divisor`` stands for 1.
    bias : float64 array
        One an output, or one for all.
    places : tuple of Place
        Activity that is added before the weights.
    window : Window or None
        Of convolutions.
    recurrent : float64 array of shape (out, out) or None
        Weights of the population's synapses to itself.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    places: tuple[Place, ...]
    window: Window | None = None
    recurrent: np.ndarray | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the activity before the weights."""
        return self.places[0].shape

    @property
    def divisor(self) -> int:
        """Value of that activity which stands for the real 1."""
        return self.places[0].divisor

    @property
    def bound(self) -> int:
        """Largest value of that activity."""
        return sum(place.bound for place in self.places)


def read_synapses(name: str, node, place: Place) -> Synapses:
    """The synapses of one node.

    Parameters
    ----------
    name : str
        Of the node.
    node : nir.Linear, nir.Affine or nir.Conv2d
    place : Place
        Activity of its sources.

    Raises
    ------
    FormatError
        Shapes do not fit each other, or a value is not a finite number.
    """
    if kind(node) != "Conv2d":
        weight = read_weight(name, node, 2)
        if place.shape != (weight.shape[1],):
            advice = "; put a Flatten before it, or pass input_shape" if len(place.shape) > 1 else ""
            raise FormatError(f"{name}: weights of {weight.shape} for an input of {place.shape}{advice}")
        return Synapses(name, weight, read_bias(name, node), (place,))
    weight = read_weight(name, node, 4)
    groups = int(numbers(name, "groups", node.groups).flat[0])
    if len(place.shape) != 3 or groups < 1 or weight.shape[1] * groups != place.shape[0]:
        raise FormatError(f"{name}: kernels of {weight.shape} in {groups} groups for {place.shape}")
    dilation, kernel = read_pair(name, node, "dilation"), weight.shape[2:]
    window = Window(
        read_pair(name, node, "stride"), read_padding(name, node, kernel, dilation), dilation, groups
    )
    return Synapses(name, weight, read_bias(name, node), (place,), window)


def joined(name: str, parts: Sequence[Synapses]) -> list[Synapses]:
    """The fewest synapses that do the same as several into one population.

    Parameters
    ----------
    name : str
        The population, for errors.
    parts : sequence of Synapses

    Returns
    -------
    list of Synapses
        Of the same window, with one group where there are several; their sources are to be concatenated.

    Raises
    ------
    CompileError
        No one block does the same: they are a convolution and a fully connected layer, or convolutions whose
        windows differ.
    FormatError
        They have different numbers of outputs.
    """
    if len(parts) == 1:
        return list(parts)
    parts = _alike(name, parts)
    of_source: dict[tuple[Place, ...], Synapses] = {}
    for part in parts:
        before = of_source.get(part.places)
        if before is not None:
            part = replace(before, weight=before.weight + part.weight, bias=before.bias + part.bias)
        of_source[part.places] = part
    found: list[Synapses] = []
    for part in of_source.values():
        for index, other in enumerate(found):
            if _same_weights(part, other):
                found[index] = replace(other, places=other.places + part.places, bias=other.bias + part.bias)
                break
        else:
            found.append(part)
    return found


def concatenated(parts: Sequence[Synapses]) -> Synapses:
    """Synapses side by side, their weights for a source in which the largest divisor stands for 1.

    Parameters
    ----------
    parts : sequence of Synapses
        As :func:`joined` gives them.

    Returns
    -------
    Synapses
        Its places are those of all parts; their channels are to be concatenated part by part.
    """
    first, divisor = parts[0], max(part.divisor for part in parts)
    if len(parts) == 1:
        return first
    return replace(
        first,
        weight=np.concatenate([part.weight * (divisor / part.divisor) for part in parts], axis=1),
        bias=sum(part.bias for part in parts),
        places=tuple(place for part in parts for place in part.places),
    )


def _same_weights(part: Synapses, other: Synapses) -> bool:
    return (part.shape, part.divisor) == (other.shape, other.divisor) and np.array_equal(
        part.weight, other.weight
    )


def _alike(name: str, parts: Sequence[Synapses]) -> list[Synapses]:
    """The same synapses with one window."""
    first = parts[0]
    for part in parts[1:]:
        if (part.window is None) != (first.window is None):
            kinds = ["Linear or Affine" if p.window is None else "Conv2d" for p in (first, part)]
            raise CompileError(
                f"{name}: {first.name} is a {kinds[0]} and {part.name} a {kinds[1]}; write both as one kind,"
                " or put neurons behind one of them"
            )
        if len(part.weight) != len(first.weight):
            raise FormatError(
                f"{name}: {first.name} has {len(first.weight)} outputs and {part.name} {len(part.weight)}"
            )
    if first.window is None:
        return list(parts)
    # Groups stay where nothing has to be concatenated.
    if all(part.window == first.window and _same_weights(part, first) for part in parts):
        return list(parts)
    return _one_window(name, [_ungrouped(part) for part in parts])


def _ungrouped(part: Synapses) -> Synapses:
    """Groups as kernels of zeros."""
    groups = part.window.groups
    if groups == 1:
        return part
    outputs, inputs = part.weight.shape[:2]
    weight = np.zeros((outputs, inputs * groups, *part.weight.shape[2:]))
    for group in range(groups):
        rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
        weight[rows, group * inputs : (group + 1) * inputs] = part.weight[rows]
    return replace(part, weight=weight, window=replace(part.window, groups=1))


def _one_window(name: str, parts: Sequence[Synapses]) -> list[Synapses]:
    """Convolutions with kernels of one size, filled up with zeros.

    An element e of a kernel with the padding p and the dilation d is over the input at -p + e d for the first
    output. With a padding P it is the element e + (P - p) / d.
    """
    first = parts[0].window
    for part in parts:
        window = part.window
        if (window.stride, window.dilation, part.shape[1:]) != (
            first.stride,
            first.dilation,
            parts[0].shape[1:],
        ):
            raise _differ(name, parts[0], part)
    padding = tuple(max(part.window.padding[axis] for part in parts) for axis in range(2))
    leads = []
    for part in parts:
        margins = [padding[axis] - part.window.padding[axis] for axis in range(2)]
        if any(margin % d for margin, d in zip(margins, first.dilation, strict=True)):
            raise _differ(name, parts[0], part)
        leads.append([margin // d for margin, d in zip(margins, first.dilation, strict=True)])
    kernel = [
        max(part.weight.shape[2 + axis] + lead[axis] for part, lead in zip(parts, leads, strict=True))
        for axis in range(2)
    ]
    window = replace(first, padding=padding)
    made = []
    for part, lead in zip(parts, leads, strict=True):
        image, own = part.shape[1:], part.weight.shape[2:]
        if part.window.extent(own, image) != window.extent(kernel, image):
            raise _differ(name, parts[0], part)
        zeros = [(before, k - before - n) for before, k, n in zip(lead, kernel, own, strict=True)]
        weight = np.pad(part.weight, ((0, 0), (0, 0), *zeros))
        made.append(replace(part, weight=weight, window=window))
    return made


def _differ(name: str, first: Synapses, other: Synapses) -> CompileError:
    described = [
        f"{part.name} (kernel {part.weight.shape[2:]}, stride {part.window.stride}, padding"
        f" {part.window.padding}, dilation {part.window.dilation}, image {part.shape[1:]})"
        for part in (first, other)
    ]
    return CompileError(
        f"{name}: it adds the convolutions {described[0]} and {described[1]}, which no single convolution"
        " does; give both the same stride, dilation and image, or put neurons behind one of them"
    )
