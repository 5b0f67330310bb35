"""The terminal: everything that drydock prints to a person goes through here, to standard error but for results."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from drydock_cache.errors import DrydockError

_errors = Console(stderr=True, highlight=False)
_results = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print one line about what happens, on standard error."""
    _errors.print(text, markup=False, soft_wrap=True)


def result(text: str) -> None:
    """Print what the command was asked for, on standard output, exactly as it is, so that it can be piped on."""
    sys.stdout.write(f"{text}\n")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a result: a table on a terminal, otherwise one line a row with tabs between the columns."""
    if not sys.stdout.isatty():
        for row in rows:
            result("\t".join(row))
        return
    grid = Table(*header, box=None, header_style="bold")
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    _results.print(grid)


def fail(error: DrydockError) -> None:
    """Print an error as its sentence and, on a line of its own, what mends it."""
    _errors.print(f"error: {error.message}", markup=False, style="red", soft_wrap=True)
    if error.remedy:
        _errors.print(f"  mend: {error.remedy}", markup=False, soft_wrap=True)


class DownloadDisplay:
    """Shows downloads: a bar each on a terminal; in a log, one line when it begins and one when it ends."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def begin(self, name: str, total: int | None) -> Callable[[int, int | None], None]:
        """Announce a download and return the function that is told (bytes so far, bytes in all where known)."""
        if self._progress is None:
            say(f"fetching {name}" + (f" ({total:,} bytes)" if total else ""))
            return lambda _done, _total: None
        task: TaskID = self._progress.add_task(name, total=total)
        progress = self._progress
        return lambda done, whole: progress.update(task, completed=done, total=whole)

    def end(self, text: str) -> None:
        """Say how a download ended."""
        if self._progress is None:
            say(text)
        else:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def download_display() -> Iterator[DownloadDisplay]:
    """Show downloads for the time of the context."""
    if not sys.stderr.isatty():
        yield DownloadDisplay(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_errors, transient=True) as progress:
        yield DownloadDisplay(progress)
