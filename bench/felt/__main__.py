"""Measures what a user feels: docker/test-run python -m bench.felt; the figures go to standard output as JSON, too."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from bench.machine import circumstances
from bench.results import Spread
from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024, STACK_2024, Stack, declare_stack

_FILES = (*STACK_2024, "bench/felt/felt.compose.yml")
_NETWORK = 199  # of 10.213
# The images of this checkout, whatever else is being tested here.
_RUNTIME = {**RUNTIME_2024, "DRYDOCK_TAG": "bench"}

type Figures = dict[str, list[float]]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _seconds(project: Project, service: str) -> float:
    """Return how long one run of a service takes, its container's start and end included."""
    began = time.monotonic()
    project.compose("run", "--rm", "--no-deps", "-T", service)
    return time.monotonic() - began


def _sync(stack: Stack, rounds: int) -> Figures:
    """Install a FastAPI Worker's packages directly, through a proxy whose store is empty, and through one that has them."""
    figures: Figures = {"sync, direct": [], "sync, cold proxy": [], "sync, warm proxy": []}
    for number in range(rounds):
        _say(f"sync, round {number + 1}/{rounds}")
        stack.project.down(volumes=False)
        stack.project.remove_volume("store")
        stack.project.compose("up", "--detach", "--wait", "internet", "proxy")
        turns = [("sync, cold proxy", "felt-sync"), ("sync, warm proxy", "felt-sync")]
        turns.insert(number % 2 * 2, ("sync, direct", "felt-sync-direct"))  # first and last in turn
        for name, service in turns:
            figures[name].append(_seconds(stack.project, service))
    return figures


def _runtime(stack: Stack, rounds: int) -> Figures:
    """Start workerd with its bundle on disk, in the proxy's store, and on the server where it lies."""
    stack.project.compose("up", "--detach", "--wait", "internet", "proxy")
    stack.project.compose("run", "--rm", "warm")
    figures: Figures = {}
    for number in range(rounds):
        _say(f"runtime, round {number + 1}/{rounds}")
        for name in ("disk", "proxy", "direct"):
            done = stack.project.compose("run", "--rm", "--no-deps", "-T", f"felt-runtime-{name}")
            figures.setdefault(f"runtime to first answer, {name}", []).extend(
                float(line) / 1000 for line in done.stdout.split()
            )
    return figures


def _moments(project: Project) -> Mapping[str, tuple[datetime, datetime]]:
    """Return when each service's container was started and, where it ended, when that was."""
    ids = project.compose("ps", "--all", "--quiet").stdout.split()
    form = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.StartedAt}} {{.State.FinishedAt}}'
    lines = subprocess.run(["docker", "inspect", "--format", form, *ids], check=True, capture_output=True, text=True).stdout
    found = (line.split() for line in lines.splitlines())
    return {service: (_moment(start), _moment(end)) for service, start, end in found}


def _moment(text: str) -> datetime:
    """Read the engine's time, whose nanoseconds are more than Python's can be."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")


def _up(stack: Stack, rounds: int) -> Figures:
    """Start everything with everything at hand; ours is what passes between the first container and the Worker's."""
    services = ("hello", "gateway")
    stack.project.compose("up", "--detach", "--wait", *services)
    figures: Figures = {"up --wait": [], "up --wait, ours": []}
    for number in range(rounds):
        _say(f"up, round {number + 1}/{rounds}")
        stack.project.down(volumes=False)
        began = time.monotonic()
        stack.project.compose("up", "--detach", "--wait", *services)
        figures["up --wait"].append(time.monotonic() - began)
        moments = _moments(stack.project)
        first = min(moments[service][0] for service in ("proxy", "plan", "warm"))
        figures["up --wait, ours"].append((moments["hello"][0] - first).total_seconds())
    return figures


def _verdicts(figures: Figures) -> Sequence[tuple[str, float, float]]:
    """Return what was wanted, the figure, and the most that it may be."""
    middle = {name: Spread.of(values).median for name, values in figures.items()}
    wanted = []
    if "sync, direct" in middle:
        direct = middle["sync, direct"]
        wanted += [("sync, warm proxy ≤ direct", middle["sync, warm proxy"] / direct, 1.0)]
        wanted += [("sync, cold proxy ≤ 1.1 × direct", middle["sync, cold proxy"] / direct, 1.1)]
    if "runtime to first answer, disk" in middle:
        more = middle["runtime to first answer, proxy"] - middle["runtime to first answer, disk"]
        wanted += [("runtime, warm proxy ≤ disk + 0.1 s", more, 0.1)]
    if "up --wait, ours" in middle:
        wanted += [("up --wait, ours ≤ 2 s", middle["up --wait, ours"], 2.0)]
    return wanted


PARTS = {"sync": _sync, "runtime": _runtime, "up": _up}


def main() -> int:
    """Measure, print, and return 0 when every bar is held."""
    parser = argparse.ArgumentParser(prog="python -m bench.felt", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        stack = declare_stack(Project, Path(scratch), "felt", _NETWORK, _RUNTIME, _FILES)
        try:
            stack.project.up("internet", "proxy")
            stack.project.compose("build")
            figures: Figures = {}
            for part in given.parts:
                figures |= PARTS[part](stack, given.rounds)
        finally:
            stack.project.down()
    print(json.dumps(circumstances(), indent=1))
    for name, values in figures.items():
        spread = Spread.of(values)
        print(f"{name:34} {spread.median:7.3f} s ({spread.least:.3f}–{spread.most:.3f})")
    verdicts = _verdicts(figures)
    for name, found, limit in verdicts:
        print(f"{name:34} {found:7.3f}  {'held' if found <= limit else 'MISSED'}")
    print(json.dumps({name: [round(value, 3) for value in values] for name, values in figures.items()}))
    return int(not all(found <= limit for _, found, limit in verdicts))


if __name__ == "__main__":
    sys.exit(main())
