"""curl as the tests' independent client."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """What curl saw; `code` is curl's exit code, `status` the final HTTP status or 0."""

    code: int
    status: int
    headers: str
    body: bytes
    error: str


def curl(directory: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Answer:
    """Run curl with its own temporary files in `directory`; proxies and configuration of the machine do not count."""
    body, headers = directory / "curl-body", directory / "curl-headers"
    body.unlink(missing_ok=True)
    headers.unlink(missing_ok=True)
    fixed = ["curl", "--disable", "--silent", "--show-error", "--max-time", "60", "--write-out", "%{http_code}"]
    command = [*fixed, "--output", str(body), "--dump-header", str(headers), *arguments]
    plain = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain | dict(environment or {}))
    return Answer(
        done.returncode,
        int(done.stdout or 0),
        headers.read_text("latin-1") if headers.exists() else "",
        body.read_bytes() if body.exists() else b"",
        done.stderr.strip(),
    )
