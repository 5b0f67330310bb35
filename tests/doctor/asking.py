"""Asks the process of inside.py for scenarios, and returns what came of them."""

import json
import subprocess
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.compose import REPOSITORY
from tests.doctor.inside import Outcome
from tests.doctor.scenarios import SCENARIOS


class Inside:
    """Processes in which networks are broken: one for all that are quick, and one for each that must wait, from the start."""

    def __init__(self, names: Iterable[str]) -> None:
        self._waiting = [name for name in names if SCENARIOS[name].slow]

    def __enter__(self) -> Self:
        self._quick = _start()
        self._slow = {name: _start() for name in self._waiting}
        for name, process in self._slow.items():
            _ask(process, name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in (self._quick, *self._slow.values()):
            process.communicate()

    def run(self, name: str) -> Outcome:
        """Run one scenario; raise RuntimeError with its traceback when the network could not be broken."""
        process = self._slow.get(name)
        if process is None:
            process = self._quick
            _ask(process, name)
        assert process.stdout is not None
        outcome = Outcome(**json.loads(process.stdout.readline()))
        if outcome.status < 0:
            raise RuntimeError(outcome.said)
        return outcome


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.doctor.inside"]
    return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def _ask(process: subprocess.Popen[str], name: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{name}\n")
