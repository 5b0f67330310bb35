"""curl: fetches one body once, or many times at the same time, and says when what came."""

import hashlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.content import Body
from bench.place import HOST, Place, Running

_SECONDS = 120
_CROWD = 8
_FORMAT = "%{json}\n"


class Way(StrEnum):
    """How a client comes in: by a name that leads to the system, or through CONNECT."""

    TLS = ":443"
    CONNECT = "CONNECT"


@dataclass(frozen=True)
class Fetched:
    """Seconds since the request was sent, which leaves TCP, CONNECT and TLS out, and since the beginning."""

    first_byte: float
    whole: float


def _leading(running: Running, way: Way) -> list[str]:
    ours = ["curl", "--silent", "--show-error", "--fail", "--http1.1", "--noproxy", "", "--cacert", str(running.ca)]
    if way is Way.CONNECT:
        return [*ours, "--proxy", f"http://127.0.0.1:{running.connect}"]
    return [*ours, "--connect-to", f"{HOST}:443:127.0.0.1:{running.tls}"]


def check(place: Place, running: Running, body: Body, way: Way = Way.TLS, *, paced: bool = False) -> None:
    """Fetch a body and compare its digest; raise RuntimeError when it is another."""
    command = [*_leading(running, way), place.url(body, paced=paced)]
    done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    found = hashlib.sha256(done.stdout).hexdigest()
    if done.returncode or found != body.sha256:
        raise RuntimeError(
            f"{running.name} served {body.path} ({way}) wrong: expected {body.size} bytes with sha256 {body.sha256},"
            f" found {len(done.stdout)} with {found}; curl ended with {done.returncode} {done.stderr.decode(errors='replace')}"
        )


def check_crowd(place: Place, running: Running, body: Body) -> None:
    """Fetch a body several times at once and compare each digest; raise RuntimeError when one is another."""
    with tempfile.TemporaryDirectory(dir=place.directory) as directory:
        command = [*_leading(running, Way.TLS), *_at_once(_CROWD)]
        files = [Path(directory) / str(number) for number in range(_CROWD)]
        for file in files:
            command += ["--output", str(file), place.url(body)]
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        found = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()}
    if done.returncode or found != {body.sha256}:
        raise RuntimeError(
            f"{running.name} served {body.path} wrong to {_CROWD} at once: expected sha256 {body.sha256}, found {found};"
            f" curl ended with {done.returncode} {done.stderr.decode(errors='replace')}"
        )


def _at_once(times: int) -> list[str]:
    return ["--parallel", "--parallel-immediate", "--parallel-max", str(times)]


def fetch(place: Place, running: Running, body: Body, *, times: int = 1, paced: bool = False) -> list[Fetched]:
    """Fetch a body `times` times at once, each on a connection of its own; raise RuntimeError when one is not whole."""
    command = [*_leading(running, Way.TLS), "--write-out", _FORMAT]
    command += _at_once(times) if times > 1 else []
    for _ in range(times):
        command += ["--output", "/dev/null", place.url(body, paced=paced)]
    done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, text=True)
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or [answer["size_download"] for answer in seen] != [body.size] * times:
        raise RuntimeError(
            f"{running.name} did not serve {body.path} {times} times: curl ended with {done.returncode}: {done.stderr}"
        )
    return [Fetched(one["time_starttransfer"] - one["time_pretransfer"], one["time_total"]) for one in seen]
