"""Read the curl lines of a README, and run them with the real curl against the Worker they are about."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
"""Where a README's lines find the Worker."""
_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TOLD = re.compile(r"\s#\s+([1-5]\d\d)\b")


@dataclass(frozen=True)
class CurlLine:
    """One command as the README has it, with the assignments that come before it."""

    command: str
    assignments: tuple[str, ...]
    status: int | None
    """What the comment behind it says it answers; without one it is any 2xx."""

    def is_right(self, status: int) -> bool:
        """Tell whether this is a status that a reader expects."""
        return status == self.status if self.status else 200 <= status < 300


def curl_lines(readme: str) -> list[CurlLine]:
    """Return the curl commands in the code blocks of a README."""
    found = []
    for block in _BLOCK.findall(readme):
        assignments: list[str] = []
        for line in block.replace("\\\n", " ").splitlines():
            if re.match(r"\w+=\S+$", line):
                assignments.append(line)
            elif line.startswith("curl "):
                told = _TOLD.search(line)
                found.append(CurlLine(line, tuple(assignments), int(told[1]) if told else None))
    return found


def run(line: CurlLine, url: str, variables: Mapping[str, str], home: Path) -> tuple[int, str]:
    """Run one command for the Worker at `url`, and return the status of the answer and everything that was printed.

    `variables` are what a reader has in the shell; `home` is an empty folder, for curl's own configuration.
    """
    (home / ".curlrc").write_text('silent\nshow-error\nmax-time = 60\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n')
    script = ADDRESS.sub(url, "\n".join([*line.assignments, line.command]))
    ended = subprocess.run(
        ["sh", "-euc", script],
        env={**os.environ, **variables, "CURL_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    status = ended.stdout.rpartition("\n")[2]
    return int(status) if status.isdecimal() else 0, ended.stdout + ended.stderr
