"""What a server's processes cost: CPU time and memory, from their own accounting in /proc."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.02


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, the state being the first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def members(session: int) -> list[int]:
    """Return the processes of a session: a server that was started with one of its own, and all that it started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if int(_stat(int(entry.name))[3]) == session:
                    found.append(int(entry.name))
    return found


def cpu_seconds(session: int) -> float:
    """Return the user and system time of a session so far, with that of children that ended."""
    ticks = 0
    for pid in members(session):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(int(field) for field in _stat(pid)[11:15])
    return ticks / _TICKS


def memory(session_members: list[int]) -> float:
    """Return the anonymous and shared memory of processes in MB (10^6 bytes); the page cache is nobody's."""
    kilobytes = 0
    for pid in session_members:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{pid}/status").read_text()
            kilobytes += sum(int(number) for number in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", status, re.MULTILINE))
    return kilobytes * 1024 / 1e6


@dataclass
class Peak:
    """The most memory that was seen, in MB."""

    memory: float = 0.0


@contextmanager
def watched(session: int) -> Iterator[Peak]:
    """Look at a session's memory all the while; pages that processes share count for each."""
    pids = members(session)
    peak, finished = Peak(memory(pids)), threading.Event()

    def look() -> None:
        while not finished.wait(_LOOK_SECONDS):
            peak.memory = max(peak.memory, memory(pids))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peak
    finally:
        finished.set()
        looking.join()
