"""The axis of a plot whose rows have names: layers, networks, cost sets."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.report.style import INK, axis, plot_text

_LABEL_LENGTH = 22


@dataclass(frozen=True)
class Rows:
    """The rows of a plot, from the top down.

    Attributes
    ----------
    title : str
        What they are: ``layer``.
    names : sequence of str
    notes : sequence of str
        Notes below the names, if any.
    separate_after : int
        Number of rows at the top which a line separates from the others; 0 for no line.
    """

    title: str
    names: Sequence[str]
    notes: Sequence[str] = ()
    separate_after: int = 0

    def axis(self) -> dict:
        """The axis, with one label a row."""
        labels = [plot_text(shortened(name)) for name in self.names]
        if self.notes:
            labels = [
                f"{label}<br><span style='font-size:10px'>{plot_text(note)}</span>"
                for label, note in zip(labels, self.notes, strict=True)
            ]
        # Rows are numbered, since plotly would take names such as "1" for numbers.
        return axis(
            self.title,
            tickvals=list(range(len(labels))),
            ticktext=labels,
            range=[len(labels) - 0.5, -0.5],
            showgrid=False,
            ticks="",
        )

    def shapes(self) -> list[dict]:
        """The line that separates rows, where there is one."""
        if not self.separate_after:
            return []
        y = self.separate_after - 0.5
        line = {"color": INK, "width": 1, "dash": "dot"}
        return [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}]


def shortened(name: str) -> str:
    """A name that leaves the plot some room."""
    return name if len(name) <= _LABEL_LENGTH else name[: _LABEL_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"
