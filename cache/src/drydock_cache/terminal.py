"""The terminal: everything that drydock prints to a person goes through here, to standard error but for results."""

import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from drydock_cache.errors import DrydockError

_errors = Console(stderr=True, highlight=False)
_results = Console(highlight=False, soft_wrap=True)
_FIRST_LINE_SECONDS = 2.0
_NEXT_LINE_SECONDS = 10.0
_INDENT = 8  # the longest word for how bad a finding is, and a blank
_SEVERITIES = {"fail": "bold red", "warn": "yellow", "ok": "green", "skipped": "dim"}


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


def findings(rows: Iterable[tuple[str, str, str, str, str, str, str]]) -> None:
    """Print findings as a result: severity, place, area, subject, what, evidence, and what mends it.

    Coloured and folded on a terminal, or where FORCE_COLOR says that one is behind the pipe; otherwise a line each, with the
    evidence and what mends it on lines of their own.
    """
    if not _results.is_terminal:
        for severity, place, area, subject, what, evidence, mend in rows:
            result(f"{severity.upper():7} {place:6} {area:12} {subject}: {what}")
            if evidence and mend:
                result(f"        seen: {evidence}")
            if mend:
                result(f"        mend: {mend}")
        return
    for severity, place, area, subject, what, evidence, mend in rows:
        label = Text(f"{severity:{_INDENT}}", _SEVERITIES.get(severity, ""))
        if not mend:
            _print_folded(label, f"{area}: {subject}: {what}")
            continue
        _print_folded(label, f"{area}: {subject} (from {place})", "bold")
        _print_folded(Text(" " * _INDENT), what)
        if evidence:
            _print_folded(Text(f"{'  seen':{_INDENT}}", "dim"), evidence)
        # in one piece, however long: it is there to be copied
        _results.print(Text.assemble((f"{'  mend':{_INDENT}}", "bold"), mend))
        _results.print()


def _print_folded(label: Text, text: str, style: str = "") -> None:
    """Print text beside its label, over as many lines as the terminal's width makes of it."""
    width = max(_results.width - _INDENT, _INDENT)
    for line in textwrap.wrap(text, width, break_on_hyphens=False):
        _results.print(Text.assemble(label, (line, style)))
        label = Text(" " * _INDENT)


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
    with Progress(*_columns(), console=_errors, transient=True) as progress:
        yield DownloadDisplay(progress)


@contextmanager
def counting(what: str, unit: str = "blobs") -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told (done, all) while something is counted through: a bar on a terminal, else a line now and then.

    Nothing is said of what takes less than two seconds in a log.
    """
    if not sys.stderr.isatty():
        said = time.monotonic() + _FIRST_LINE_SECONDS

        def in_a_log(done: int, whole: int) -> None:
            nonlocal said
            if (now := time.monotonic()) > said:
                said = now + _NEXT_LINE_SECONDS
                say(f"{what}: {done:,} of {whole:,} {unit}")

        yield in_a_log
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_errors, transient=True) as progress:
        task: TaskID = progress.add_task(what, total=None)
        yield lambda done, whole: progress.update(task, completed=done, total=whole)


def ask(question: str) -> bool:
    """Ask a person at a terminal yes or no; where there is none the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return _errors.input(f"{question} [y/N] ", markup=False).strip().lower() in ("y", "yes")


def interrupted() -> None:
    """Say that Ctrl-C ended a command, and that nothing is lost."""
    say("interrupted; what was finished is kept, and the same command goes on from there")


class WorkDisplay:
    """Shows work on bytes that are at hand: a bar each on a terminal; in a log, one line when it begins."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._latest: TaskID | None = None

    def begin(self, name: str, total: int | None) -> Callable[[int], None]:
        """Announce work on `total` bytes, None where that is not known, and return what is told how many more are done."""
        if self._progress is None:
            say(name + (f" {total:,} bytes" if total else ""))
            return lambda _count: None
        task, progress = self._progress.add_task(name, total=total), self._progress
        self._latest = task
        return lambda count: progress.advance(task, count)

    def phase(self, name: str) -> None:
        """Say what the latest work is at now, for as long as nobody knows: its bar moves without an end."""
        if self._progress is None:
            say(name)
        elif self._latest is not None:
            self._progress.update(self._latest, description=name, total=None, refresh=True)


@contextmanager
def work_display() -> Iterator[WorkDisplay]:
    """Show work for the time of the context."""
    if not sys.stderr.isatty():
        yield WorkDisplay(None)
        return
    with Progress(*_columns(), console=_errors, transient=True) as progress:
        yield WorkDisplay(progress)


def _columns() -> tuple[ProgressColumn, ...]:
    return TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
