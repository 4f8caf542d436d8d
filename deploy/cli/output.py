"""Standard output of commands: a table, or one JSON object."""

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table


def print_json(content: Mapping) -> None:
    """Print one JSON object and nothing else."""
    print(json.dumps(content, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print a table; columns after the first are right-aligned where every cell starts with a digit."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        numeric = index > 0 and all(row[index][:1].isdigit() for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    # Names of layers come from files, and may look like markup.
    Console(soft_wrap=False, markup=False).print(table)
