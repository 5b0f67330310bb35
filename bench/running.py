"""A run: every system up, every body checked, then round after round with the systems in turn."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.clients.curl import Way, check, check_crowd
from bench.content import MB
from bench.place import Place, Running
from bench.results import Results
from bench.row import Effort, Row
from bench.systems import STARTING, STATIC
from tests.own_network import own_network


def say(text: str) -> None:
    """Tell whoever waits how far the run is; the tables alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def _check(place: Place, running: Running) -> None:
    """Fetch every body twice, as a miss and as a hit, and compare its digest; every cache has everything afterwards."""
    ways = [Way.TLS, Way.TLS, Way.CONNECT] if running.connect else [Way.TLS, Way.TLS]
    for way in ways:
        for body in place.content.bodies.values():
            check(place, running, body, way)
    if running.name != STATIC:
        fresh = place.content.fresh(MB)
        check(place, running, fresh, paced=True)
        check_crowd(place, running, fresh)
        place.content.remove(fresh)


def run(rows: Sequence[Row], systems: Sequence[str], rounds: int, effort: Effort, results: Results) -> None:
    """Measure every row of every system `rounds` times; what fails is noted in `results`, and the rest goes on."""
    rows = [replace(row, systems=tuple(system for system in row.systems if system in systems)) for row in rows]
    _run([row for row in rows if not row.networked], rounds, effort, results)
    if networked := [row for row in rows if row.networked]:
        with ExitStack() as stack:
            try:
                stack.enter_context(own_network())
            except OSError as error:
                results.failures.append(f"a network of its own: {error}; CAP_SYS_ADMIN is needed")
                return
            _run(networked, rounds, effort, results)


def _run(rows: Sequence[Row], rounds: int, effort: Effort, results: Results) -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drydock-bench-", ignore_cleanup_errors=True)))
        directory.chmod(0o755)  # nothing in it is secret, and Squid runs as a user of its own
        place = Place(directory, stack)
        up: dict[str, Running] = {}
        for name in (name for name in STARTING if any(name in row.systems for row in rows)):
            say(f"starting {name} and checking what it serves")
            try:
                running = STARTING[name](place, name)
                _check(place, running)
            except (RuntimeError, OSError) as error:
                results.failures.append(f"{name}: {error}")
                say(f"  failed: {error}")
                continue
            up[name] = running
        for number in range(rounds):
            for row in rows:
                results.titles[row.id] = row.title
                turns = row.systems[number % len(row.systems) :] + row.systems[: number % len(row.systems)]
                for name in (name for name in turns if name in up):
                    say(f"round {number + 1}/{rounds}  {row.title}: {name}")
                    try:
                        results.add(row.id, name, row.measure(place, up[name], effort))
                    except (RuntimeError, OSError) as error:
                        results.failures.append(f"{row.id}, {name}: {error}")
                        say(f"  failed: {error}")
