"""Colours of the parts of an energy: one hue for a kind of operation, its shades for the kind's variants."""

from collections.abc import Sequence

from plotly.colors import hex_to_rgb

from deploy.report.figure import Key
from deploy.report.style import HUES

_TINTS = (0.0, 0.45, 0.72)
"""Shares of white in a hue's shades."""


def part_keys(cost_sets: Sequence[Sequence[str]]) -> list[dict[str, Key]]:
    """Legend of the parts of each cost set, by name.

    Parts whose names begin with the same word ("synaptic events, dense", "synaptic events, sparse") are
    variants of a kind, and a kind has the same hue in every cost set. What exceeds the hues, or the shades of
    a hue, begins again, hatched.

    Parameters
    ----------
    cost_sets : sequence of sequences of str
        Names of the parts, for each cost set.
    """
    hues = list(dict.fromkeys(_kind(name) for names in cost_sets for name in names))
    return [_keys(names, hues) for names in cost_sets]


def _keys(names: Sequence[str], hues: list[str]) -> dict[str, Key]:
    keys, variants = {}, dict.fromkeys(hues, 0)
    for name in names:
        kind = _kind(name)
        keys[name] = _key(name, hues.index(kind), variants[kind])
        variants[kind] += 1
    return keys


def _kind(name: str) -> str:
    return name.partition(" ")[0]


def _key(name: str, hue: int, shade: int) -> Key:
    hatched = hue >= len(HUES) or shade >= len(_TINTS)
    white = _TINTS[shade % len(_TINTS)]
    channels = [round(channel + (255 - channel) * white) for channel in hex_to_rgb(HUES[hue % len(HUES)])]
    return Key(name, "#{:02X}{:02X}{:02X}".format(*channels), "hatched" if hatched else "solid")
