"""Progress bars on standard error, where there is a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def stages() -> Iterator:
    """Give a callable ``progress(stage, done, total)`` that draws one bar for each stage.

    A stage's text may change while it runs; it ends when ``done`` reaches ``total``.
    """
    console = Console(stderr=True)
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        current = None

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal current
            if current is None:
                current = bars.add_task(stage, total=total)
            bars.update(current, description=stage, completed=done)
            if done >= total:
                current = None

        yield progress
