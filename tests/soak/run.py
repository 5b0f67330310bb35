"""The soak: a calm start, a storm with kills, one without, and a calm end at which everything must be as it was."""

import contextlib
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drydock_cache.digest import Digest
from drydock_cache.index import Expected
from drydock_cache.store import Store

from tests.integration.running import drydock, plain_environment
from tests.integration.ways import Way, ask
from tests.soak.catalogue import Asset, Item, catalogue
from tests.soak.clients import Client, Seen
from tests.soak.harbour import Harbour, Level
from tests.soak.weather import Weather
from tests.upstream.pki import Authority

CLIENTS = 6
PAUSE_SECONDS = 0.12  # each waits so long, on average, between two requests: about half a processor in all
# Of what a process grows by once, and its allocator keeps.
MEMORY_MARGIN = 48  # MiB
DESCRIPTOR_MARGIN = 12  # idle connections to upstream, and to the origin


@dataclass
class Report:
    """What the soak did and saw."""

    seed: str
    seen: Seen = field(default_factory=Seen)
    before: Level | None = None  # after the last restart, calm
    after: Level | None = None  # at the end, calm, the same process
    harm: dict[str, int] = field(default_factory=dict)
    upstream: dict[str, int] = field(default_factory=dict)
    starts: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"seed {self.seed}",
                f"{self.seen.requests} requests ({_counts(self.seen.by_way)}); {self.seen.right} bodies taken for whole, "
                f"{self.seen.bytes:,} bytes, {len(self.seen.wrong)} of them wrong",
                f"errors: {_counts(self.seen.errors)}",
                f"{self.starts} starts; harm: {_counts(self.harm)}",
                f"upstream: {_counts(self.upstream)}",
                f"before: {self.before}",
                f"after:  {self.after}",
                *(f"FAILED: {failure}" for failure in self.failures),
            ]
        )


def soak(directory: Path, disk: Path, seconds: float, seed: str) -> Report:
    """Run for about so many seconds with the store on `disk`, a file system of its own; everything else is in `directory`."""
    report = Report(seed)
    items = catalogue(seed)
    authority = Authority.create("Internet test root")
    ca = authority.write(directory / "internet.pem")
    with Weather(authority, items, seed) as weather:
        harbour = Harbour(directory, disk / "store", weather, ca, seed)
        _lock(harbour.store, items)
        chance = random.Random(f"{seed} storm")
        try:
            harbour.start()
            with _clients(report, items, harbour):
                _storm(harbour, weather, chance, seconds * 0.45, kills=True)
                _calm(harbour, weather)
                harbour.end(kill=True)
                harbour.start()
            _ask_for_all(report, harbour, items)
            report.before = _settled(report, harbour, items)
            with _clients(report, items, harbour):
                _storm(harbour, weather, chance, seconds * 0.45, kills=False)
            _calm(harbour, weather)
            _ask_for_all(report, harbour, items)
            report.after = _settled(report, harbour, items)
        finally:
            harbour.free()
            harbour.end(kill=False)
        report.harm, report.starts = dict(harbour.harm), harbour.starts
        report.upstream = {str(name): count for name, count in weather.behaved.items()}
        report.failures += _failures(report, harbour)
    report.failures += _verified(harbour.store)
    return report


def _lock(store: Path, items: dict[tuple[str, str], Item]) -> None:
    opened = Store.open(store)
    for item in items.values():
        if isinstance(item, Asset) and item.locked:
            opened.index.expect(f"https://{item.host}{item.path}", Expected(Digest.of(item.body), item.size))
    opened.close()


@contextlib.contextmanager
def _clients(report: Report, items: dict[tuple[str, str], Item], harbour: Harbour) -> Iterator[None]:
    running = [
        Client(f"{report.seed} client {number}", list(items.values()), harbour.proxy, report.seen, PAUSE_SECONDS)
        for number in range(CLIENTS)
    ]
    for client in running:
        client.start()
    try:
        yield
    finally:
        for client in running:
            client.stopping.set()
        for client in running:
            client.join(60)
            if client.is_alive():
                report.failures.append(f"{client.name} waits for ever")


def _storm(harbour: Harbour, weather: Weather, chance: random.Random, seconds: float, *, kills: bool) -> None:
    weather.calm = False
    deadline = time.monotonic() + seconds
    doing = {"damage": 8, "upstream": 3, "disk": 3, "sleep": 1, "restart": 3 if kills else 0}
    while time.monotonic() < deadline:
        time.sleep(chance.uniform(0.2, 1.2))
        match chance.choices(list(doing), list(doing.values()))[0]:
            case "damage":
                harbour.damage()
            case "upstream":
                harbour.harm["upstream away"] += 1
                weather.stop()
                time.sleep(chance.uniform(0.1, 3))
                weather.start()
            case "disk":
                harbour.fill()
            case "sleep":
                harbour.sleep()
            case "restart":
                harbour.restart()


def _calm(harbour: Harbour, weather: Weather) -> None:
    weather.calm = True
    harbour.free()


def _ask_for_all(report: Report, harbour: Harbour, items: dict[tuple[str, str], Item]) -> None:
    """Ask for everything, by both ways, with upstream well and room on the disk: all of it must be right."""
    proxy = harbour.proxy()
    assert proxy is not None
    for number, item in enumerate(items.values()):
        seen = ask(proxy, list(Way)[number % 2], f"https://{item.host}{item.path}")
        if (seen.code, seen.status) != (0, 200) or not item.is_right(seen.body):
            report.failures.append(f"{item.path}, asked for in calm weather: curl {seen.code}, status {seen.status}")


def _settled(report: Report, harbour: Harbour, items: dict[tuple[str, str], Item]) -> Level:
    """Return the level after some calm traffic, so that what a process makes once is there in both levels."""
    with _clients(report, items, harbour):
        time.sleep(4)
    return harbour.level()


def _failures(report: Report, harbour: Harbour) -> Iterator[str]:
    yield from (f"wrong bytes: {one}" for one in report.seen.wrong)
    yield from (f"a crash in the journal: {one}" for one in harbour.crashes)
    before, after = report.before, report.after
    assert before is not None
    assert after is not None
    if before.staged or after.staged:
        yield f"staged files are left: {before.staged}, then {after.staged}"
    if after.memory > before.memory + MEMORY_MARGIN:
        yield f"memory grew from {before.memory} to {after.memory} MiB"
    if after.descriptors > before.descriptors + DESCRIPTOR_MARGIN:
        yield f"descriptors grew from {before.descriptors} to {after.descriptors}"


def _verified(store: Path) -> Iterator[str]:
    """Collect what newer pages left behind, damaged or not, and verify the rest with the commands that people use."""
    for command in ("gc", "verify"):
        done = subprocess.run(
            [drydock(), command, "--store", str(store)],
            capture_output=True, text=True, check=False, env=plain_environment(store), cwd=store.parent,
        )  # fmt: skip
        if done.returncode:
            yield f"drydock {command} ended with {done.returncode}: {done.stdout}{done.stderr}"
    shutil.rmtree(store, ignore_errors=True)


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items(), key=lambda one: -one[1]) if count) or "none"
