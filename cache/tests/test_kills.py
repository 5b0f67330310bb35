"""A fetch that is killed, or interrupted, at any moment: nothing wrong is stored, nothing lost, and the next run goes on."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drydock_cache.store import Store
from drydock_cache.verify import verify

from cache.tests.conftest import OpenStore
from tests.upstream.resource import Gate
from tests.upstream.scripted import Upstream

COMMAND = str(Path(sys.executable).with_name("drydock"))
ROOT = Path(__file__).parents[2]
KILLS = 100
FILES, SIZE = 4, 150_000


class Forked:
    """Runs of the command line in forks: `start` one, then `kill` it or wait for its `end`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, *arguments: str) -> int:
        """Start a run and return its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return self._number()

    def end(self) -> int:
        """Wait for the run's end; return its exit status, or minus the signal."""
        return self._number()

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.fixture
def forked(place: Path, tmp_path: Path) -> Iterator[Forked]:
    """The server of runs, in a folder with a policy."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "errors.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cache.tests.forked"],
            cwd=place, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        with process:
            yield Forked(process)


def outside(internet: Upstream, authority_file: Path) -> list[str]:
    return [*(f"--resolve={entry}" for entry in internet.resolve), f"--upstream-ca={authority_file}"]


def route_set(internet: Upstream, number: int) -> list[str]:
    """Put a set of new files on the upstream and return their paths."""
    paths = [f"/{number}/{name}" for name in range(FILES)]
    for path in paths:
        internet.route(path, random.Random(path).randbytes(SIZE), etag=f'"{path}"')
    return paths


def stored(root: Path) -> set[str]:
    """Return the paths of everything in the store, after finding all of it right."""
    if not (root / "index.sqlite").exists():
        return set()
    store = Store.open_read_only(root)
    try:
        report = verify(store)
        assert report.wrong == ()
        return {response.key.url.removeprefix("https://assets.example") for response in store.responses()}
    finally:
        store.close()


def test_a_hundred_kills_of_a_fetch_leave_every_byte_right(
    forked: Forked, place: Path, internet: Upstream, authority_file: Path, open_store: OpenStore
) -> None:
    """At random moments of `drydock warm`: what was stored stays and is not fetched again, and verify finds nothing at the end."""
    chance = random.Random()
    seed = chance.randrange(1 << 30)
    chance.seed(seed)
    options = outside(internet, authority_file)
    root = place / "store"

    def warm(paths: list[str]) -> list[str]:
        return ["warm", *(f"--url=https://assets.example{path}" for path in paths), *options]

    lasted = []
    for number in range(3):
        started = time.monotonic()
        forked.start(*warm(route_set(internet, number)))
        assert forked.end() == 0
        lasted.append(time.monotonic() - started)
    whole = min(lasted)

    number, paths = 3, route_set(internet, 3)
    asked: dict[str, int] = dict.fromkeys(stored(root), 1)
    killed = survived = 0
    while killed < KILLS:
        child = forked.start(*warm(paths))
        time.sleep(chance.uniform(0, 1.25 * whole))  # its latest moments, too: the shortest of three lasted so long
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        status = forked.end()
        assert status in (0, -signal.SIGKILL), f"seed {seed}"
        killed += status != 0
        survived += status == 0
        now = stored(root)
        assert now >= asked.keys(), f"seed {seed}: something is lost"
        asked |= {path: internet.count(path) for path in now - asked.keys()}
        if now >= set(paths):
            number += 1
            paths = route_set(internet, number)
    forked.start(*warm(paths))
    assert forked.end() == 0
    assert {path: internet.count(path) for path in asked} == asked, f"seed {seed}: what was there was fetched again"
    assert number > 6, f"seed {seed}: the kills came too early to meet anything ({survived} survived, {whole:.2f} s)"
    report = verify(open_store(root))
    assert (report.findings, report.responses) == ((), FILES * (number + 1))


def test_ctrl_c_ends_a_fetch_with_one_line_and_130(
    place: Path, internet: Upstream, authority_file: Path, open_store: OpenStore
) -> None:
    """What was finished is kept, nothing staged is left, and the same command goes on."""
    gate = Gate()
    internet.route("/done", b"done")
    internet.route("/held", os.urandom(100_000), gate=gate)
    command = [COMMAND, "warm", "--url=https://assets.example/done", "--url=https://assets.example/held"]
    command += outside(internet, authority_file)
    with subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True) as process:
        gate.wait_reached(30)
        deadline = time.monotonic() + 20
        while not any((place / "store" / "blobs").rglob("*/??/*")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; what was finished is kept, and the same command goes on from there"
    assert "Traceback" not in errors
    assert list((place / "store" / "staging").iterdir()) == []
    gate.open()
    again = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=True)
    assert "1 fetched (100,000 bytes), 1 present, 0 failed" in again.stderr
    assert internet.count("/done") == 1
    assert verify(open_store(place / "store")).findings == ()


def test_ctrl_c_ends_a_verification_at_once(place: Path) -> None:
    """The rest of a large store is not waited for."""
    store = Store.open(place / "store")
    folder = store.blobs.root / "blobs" / "sha256" / "00"
    folder.mkdir()
    for number in range(40):  # sparse: a gibibyte each to read, no room on disk
        with (folder / f"{number:064x}").open("wb") as file:
            file.truncate(1 << 30)
    store.close()
    with subprocess.Popen([COMMAND, "verify"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("verify: "), line
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("interrupted")
    assert time.monotonic() - started < 30
