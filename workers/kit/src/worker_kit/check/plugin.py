"""The rules as a flake8 plugin; flake8 itself honours `# noqa`."""

import ast
from collections.abc import Iterator
from pathlib import PurePath
from typing import ClassVar

from worker_kit.check.engine import find
from worker_kit.check.sources import is_test


class Plugin:
    """What flake8 makes of each file; tests are left alone, because they run in CPython."""

    name: ClassVar[str] = "worker-kit"
    version: ClassVar[str] = "0.1.0"

    def __init__(self, tree: ast.Module, filename: str) -> None:
        self._tree = tree
        self._filename = filename

    def run(self) -> Iterator[tuple[int, int, str, type["Plugin"]]]:
        """Yield line (from one), column (from zero), text and origin of each finding."""
        if is_test(PurePath(self._filename)):
            return
        for finding in sorted({finding for finding, _ in find(self._tree, self._filename)}):
            yield finding.line, finding.column - 1, finding.message, type(self)
