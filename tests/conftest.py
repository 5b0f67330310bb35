"""Fixtures for tests that run the whole stack."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.compose import Project


@pytest.fixture(scope="module")
def declare_project() -> Iterator[Callable[..., Project]]:
    """Declares compose projects: declare_project(label, files, env); all are taken down, volumes too, when the module ends."""
    with ExitStack() as stack:

        def declare(label: str, files: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Project:
            project = Project(label, files, env or {})
            stack.callback(project.down)
            return project

        yield declare
