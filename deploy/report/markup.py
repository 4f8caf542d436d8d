"""HTML that is escaped by construction: plain text becomes markup only through :func:`tag`."""

import html
from collections.abc import Collection, Iterable, Sequence

_LONG_CELL = 24
"""Characters from which on a cell of words may break into lines."""


class Html(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def join(parts: Iterable[str]) -> Html:
    """Parts one after the other; plain strings are escaped."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def tag(name: str, *content: str, **attributes: str) -> Html:
    """An element; plain strings in it are escaped, and so are its attributes.

    Attributes whose name is a Python word take a trailing underscore: ``class_="plot"``.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(content)}</{name}>")


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Collection[int] = (0,),
    total: Sequence[str] = (),
) -> Html:
    """A table that scrolls sideways where the window is narrow.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequences of str
    words : collection of int
        Columns of words; the others are numbers, and are aligned to the right.
    total : sequence of str
        A last row that sums up the others, if any.
    """

    def line(cells: Sequence[str], kind: str) -> Html:
        return tag(
            "tr", *(tag(kind, cell, class_=_cell_class(i in words, cell)) for i, cell in enumerate(cells))
        )

    parts = [tag("thead", line(head, "th")), tag("tbody", *(line(cells, "td") for cells in rows))]
    if total:
        parts.append(tag("tfoot", line(total, "td")))
    return tag("div", tag("table", *parts), class_="scroll")


def _cell_class(is_words: bool, cell: str) -> str:
    if not is_words:
        return "number"
    return "words long" if len(cell) > _LONG_CELL else "words"


def bullets(items: Iterable[str]) -> Html:
    """A list of sentences."""
    return tag("ul", *(tag("li", item) for item in items))


def section(identifier: str, title: str, *content: str) -> Html:
    """A part of the page with its heading."""
    return tag("section", tag("h2", title), *content, id=identifier)


def paragraph(*content: str) -> Html:
    """A paragraph."""
    return tag("p", *content)
