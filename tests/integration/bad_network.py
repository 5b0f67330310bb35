"""A network of the test's own, in a namespace, that is slow or loses packets: everything on it, servers and clients alike."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from tests.own_network import own_network

SLOW = (("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "16kb", "latency", "400ms"),)
LOSSY = (("iptables", "-A", "INPUT", "-i", "lo", "-m", "statistic", "--mode", "random", "--probability", ".05", "-j", "DROP"),)


@contextlib.contextmanager
def network(*faults: Sequence[str]) -> Iterator[None]:
    """Put this thread, and what it starts, on a loopback network of its own with these faults; skip where that is not allowed."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(own_network(*faults))
        except OSError as error:
            pytest.skip(f"this system lets tests make no network ({error.strerror}); CAP_SYS_ADMIN is needed")
        yield


def dropped() -> int:
    """Return how many packets the network's rules have dropped so far."""
    listed = subprocess.run(["iptables", "-L", "-v", "-n", "-x"], check=True, capture_output=True, text=True).stdout
    return sum(int(line.split()[0]) for line in listed.splitlines() if " DROP " in line)
