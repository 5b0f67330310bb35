"""A network of the test's own, in a namespace, that is slow or loses packets: everything on it, servers and clients alike."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

# As on a real network: loopback's own packets of 64 KiB would make a loss rare and large.
_UP = (("ip", "link", "set", "lo", "mtu", "1500"), ("ip", "link", "set", "lo", "up"))
SLOW = (("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "16kb", "latency", "400ms"),)
LOSSY = (("iptables", "-A", "INPUT", "-i", "lo", "-m", "statistic", "--mode", "random", "--probability", ".05", "-j", "DROP"),)


@contextlib.contextmanager
def network(*faults: Sequence[str]) -> Iterator[None]:
    """Put this thread, and what it starts, on a loopback network of its own with these faults; skip where that is not allowed."""
    before = os.open(_own(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            os.unshare(os.CLONE_NEWNET)
        except OSError as error:
            pytest.skip(f"this system lets tests make no network ({error.strerror}); CAP_SYS_ADMIN is needed")
        try:
            for command in (*_UP, *faults):
                subprocess.run(command, check=True, capture_output=True, text=True)
            yield
        finally:
            os.setns(before, os.CLONE_NEWNET)
    finally:
        os.close(before)


def dropped() -> int:
    """Return how many packets the network's rules have dropped so far."""
    listed = subprocess.run(["iptables", "-L", "-v", "-n", "-x"], check=True, capture_output=True, text=True).stdout
    return sum(int(line.split()[0]) for line in listed.splitlines() if " DROP " in line)


def _own() -> Path:
    return Path(f"/proc/self/task/{threading.get_native_id()}/ns/net")
