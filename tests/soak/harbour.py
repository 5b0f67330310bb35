"""The proxy under the soak: started, killed and started again, with its store damaged and its disk filled meanwhile."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cache.tests.disks import fill
from tests.integration.running import RunningProxy
from tests.soak.catalogue import ASSET_HOST, PAGE_HOST
from tests.soak.weather import Weather

POLICY = f"""
pin = ["{ASSET_HOST}"]
revalidate = ["{PAGE_HOST}"]
[limits]
asset = "8M"
page = "1M"
"""
# The kernel's clock for files goes in steps of some milliseconds: two changes within one step look like one.
_SETTLED_SECONDS = 0.1


@dataclass(frozen=True)
class Level:
    """What the proxy holds: resident memory in MiB, open descriptors, staged files."""

    memory: int
    descriptors: int
    staged: int

    def __str__(self) -> str:
        return f"{self.memory} MiB, {self.descriptors} descriptors, {self.staged} staged"


class Harbour:
    """Keeps one proxy running on a store, and does it harm."""

    def __init__(self, directory: Path, store: Path, weather: Weather, ca: Path, seed: str) -> None:
        self.store = store
        self.harm: Counter[str] = Counter()
        self.starts = 0
        self.crashes: list[str] = []
        self._directory = directory
        self._weather = weather
        self._ca = ca
        self._chance = random.Random(f"{seed} harbour")
        self._proxy: RunningProxy | None = None
        self._filler: Path | None = None

    def proxy(self) -> RunningProxy | None:
        """Return the running proxy, or None between two."""
        return self._proxy

    def start(self, mode: str = "online") -> RunningProxy:
        """Start the proxy on whatever the last one left."""
        started = RunningProxy(
            self._directory, POLICY, mode=mode, resolve=self._weather.resolve, upstream_ca=self._ca,
            options=["--store", str(self.store)],
        )  # fmt: skip
        started.start()
        self.starts += 1
        self._proxy = started
        return started

    def end(self, *, kill: bool) -> None:
        """End it, by SIGKILL or as it wants to be ended."""
        proxy, self._proxy = self._proxy, None
        if proxy is None:
            return
        if kill:
            proxy.kill()
        elif status := proxy.stop():
            self.crashes.append(f"it ended with {status}")
        self.crashes += [line["trace"] for line in proxy.log_lines() if "trace" in line]

    def staged(self) -> list[Path]:
        """Return what is staged now."""
        return list((self.store / "staging").iterdir())

    def level(self, seconds: float = 15.0) -> Level:
        """Return what the proxy holds, once nothing is staged any more or that much time is over."""
        assert self._proxy is not None
        deadline = time.monotonic() + seconds
        while self.staged() and time.monotonic() < deadline:
            time.sleep(0.1)
        return Level(self._proxy.memory(), self._proxy.descriptors(), len(self.staged()))

    def restart(self) -> None:
        """Kill it, mostly, and start it again, sometimes offline for a while."""
        kill = self._chance.random() < 0.8
        self.harm["SIGKILL" if kill else "SIGTERM"] += 1
        self.end(kill=kill)
        mode = "offline" if self._chance.random() < 0.15 else "online"
        self.harm["offline"] += mode == "offline"
        self.start(mode)

    def damage(self) -> None:
        """Flip a bit of a blob, cut it, or remove it; and empty the quarantine, as somebody who looked at it would."""
        blobs = [path for path in (self.store / "blobs").rglob("*") if path.is_file()]
        with contextlib.suppress(FileNotFoundError):
            for path in self._chance.sample(blobs, min(len(blobs), 8)):
                status = path.stat()
                if time.time() - status.st_mtime < _SETTLED_SECONDS or not status.st_size:
                    continue
                what = self._chance.choice(("flipped", "cut", "removed"))
                self.harm[what] += 1
                if what == "removed":
                    path.unlink()
                    continue
                path.chmod(0o644)
                if what == "cut":
                    os.truncate(path, self._chance.randrange(status.st_size))
                    continue
                with path.open("r+b") as file:
                    place = self._chance.randrange(status.st_size)
                    byte = os.pread(file.fileno(), 1, place)
                    os.pwrite(file.fileno(), bytes([byte[0] ^ (1 << self._chance.randrange(8))]), place)
        for path in (self.store / "quarantine").iterdir():
            path.unlink(missing_ok=True)

    def sleep(self) -> None:
        """Stop the process for a moment, as a laptop's lid does."""
        if self._proxy is not None:
            self.harm["stopped for a moment"] += 1
            os.kill(self._proxy.pid, signal.SIGSTOP)
            time.sleep(0.5)
            os.kill(self._proxy.pid, signal.SIGCONT)

    def fill(self) -> None:
        """Take all the room there is, or give it back."""
        if self._filler is None:
            self.harm["disk filled"] += 1
            self._filler = fill(self.store.parent)
        else:
            self.free()

    def free(self) -> None:
        """Give the room back."""
        if self._filler is not None:
            self._filler.unlink()
            self._filler = None
