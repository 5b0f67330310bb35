"""What runtimes answered: asked once of the same program, and again where anything differs or the file is not what was written."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drydock_cache.errors import DrydockError
from drydock_cache.sources import runtime_answers
from drydock_cache.sources.runtime import RuntimeNeeds, ask_runtime
from drydock_cache.sources.runtime_answers import RuntimeAnswers
from drydock_cache.sources.wrangler_config import RuntimeChoice

OLD = "1.20260124.0"
# Plays a runtime that asks for its bundle and is then killed.
_KILLED = f"""#!{sys.executable}
import os, signal, sys, urllib.request
if "--version" in sys.argv:
    print("workerd 2026-01-01")
    sys.exit()
try:
    urllib.request.urlopen("https://one.example.com/pyodide_9.capnp.bin", timeout=5).read()
finally:
    os.kill(os.getpid(), signal.SIGKILL)
"""
CHOICE = RuntimeChoice("2025-05-01", ("python_workers",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RuntimeChoice]:
    """Lists what real runtimes are asked."""
    found: list[RuntimeChoice] = []

    def ask(workerd: Path, choice: RuntimeChoice) -> RuntimeNeeds:
        found.append(choice)
        return ask_runtime(workerd, choice)

    monkeypatch.setattr(runtime_answers, "ask_runtime", ask)
    return found


@pytest.mark.online
def test_a_runtime_is_asked_once_and_says_the_same(
    workerd: Callable[[str], Path], tmp_path: Path, asked: list[RuntimeChoice]
) -> None:
    kept = tmp_path / "answers.json"
    first = RuntimeAnswers(kept).ask(workerd(OLD), CHOICE)
    assert RuntimeAnswers(kept).ask(workerd(OLD), CHOICE) == first == RuntimeAnswers().ask(workerd(OLD), CHOICE)
    assert first.stdlib_urls
    assert asked == [CHOICE, CHOICE]  # once with the file, once without
    other = RuntimeChoice("2026-01-20", ("python_workers",))
    assert RuntimeAnswers(kept).ask(workerd(OLD), other) != first
    assert RuntimeAnswers(kept).ask(workerd(OLD), CHOICE) == first
    assert asked == [CHOICE, CHOICE, other]


@pytest.mark.online
def test_another_program_is_asked_anew(workerd: Callable[[str], Path], tmp_path: Path, asked: list[RuntimeChoice]) -> None:
    """In the same place, too: a file that was replaced is another one."""
    kept, program = tmp_path / "answers.json", tmp_path / "workerd"
    for _ in range(2):
        shutil.copyfile(workerd(OLD), tmp_path / "new")
        (tmp_path / "new").chmod(0o755)
        (tmp_path / "new").replace(program)
        RuntimeAnswers(kept).ask(program, CHOICE)
        RuntimeAnswers(kept).ask(program, CHOICE)
    assert asked == [CHOICE, CHOICE]


@pytest.mark.online
@pytest.mark.parametrize("text", ["", "[]", "{", '{"%s": {}}', '{"%s": {"bundle_url": 1}}', "\x00"])
def test_a_file_that_holds_anything_else_is_written_anew(
    workerd: Callable[[str], Path], tmp_path: Path, asked: list[RuntimeChoice], text: str
) -> None:
    kept = tmp_path / "answers.json"
    first = RuntimeAnswers(kept).ask(workerd(OLD), CHOICE)
    (question,) = RuntimeAnswers(kept)._kept
    kept.write_text(text.replace("%s", question))
    assert RuntimeAnswers(kept).ask(workerd(OLD), CHOICE) == first
    assert RuntimeAnswers(kept).ask(workerd(OLD), CHOICE) == first
    assert len(asked) == 2


@pytest.mark.online
def test_a_file_that_cannot_be_written_is_done_without(workerd: Callable[[str], Path], tmp_path: Path) -> None:
    assert RuntimeAnswers(tmp_path / "nowhere" / "answers.json").ask(workerd(OLD), CHOICE).bundle_url


def test_what_a_runtime_said_before_it_was_stopped_is_asked_again(tmp_path: Path, asked: list[RuntimeChoice]) -> None:
    """It may say more another time: a machine was busy, or had no memory left."""
    program = tmp_path / "workerd"
    program.write_text(_KILLED)
    program.chmod(0o755)
    for _ in range(2):
        needs = RuntimeAnswers(tmp_path / "answers.json").ask(program, CHOICE)
        assert (needs.bundle_url, needs.whole) == ("https://one.example.com/pyodide_9.capnp.bin", False)
    assert len(asked) == 2


def test_a_program_that_is_none_is_refused_as_ever(tmp_path: Path) -> None:
    with pytest.raises(DrydockError, match="cannot be run"):
        RuntimeAnswers(tmp_path / "answers.json").ask(tmp_path / "workerd", CHOICE)
    assert not (tmp_path / "answers.json").exists()
