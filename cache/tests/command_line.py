"""The command line as a user runs it, in this process: how a command ended, and what it printed where."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.upstream.scripted import Upstream


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


type Run = Callable[..., Done]


def outside(internet: Upstream, authority_file: Path) -> list[str]:
    return [*(f"--resolve={entry}" for entry in internet.resolve), f"--upstream-ca={authority_file}"]


def one_sentence(done: Done) -> tuple[str, str]:
    """Return what an error says and what mends it; there is nothing else on either stream, and the status is 1."""
    assert (done.returncode, done.stdout) == (1, "")
    said, _, mend = done.stderr.partition("\n")
    assert said.startswith("error: ")
    assert "Traceback" not in done.stderr
    return said.removeprefix("error: "), mend.strip().removeprefix("mend: ")
