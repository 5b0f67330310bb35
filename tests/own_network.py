"""A loopback network of one's own, in a namespace, with the packets of a real one: servers and clients alike are on it."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

MTU = 1500  # bytes, as Ethernet and Docker's bridges have it; loopback's own packets hold 64 KiB


@contextlib.contextmanager
def own_network(*commands: Sequence[str]) -> Iterator[None]:
    """Put this thread, and what it starts, on such a network, made up by further commands.

    Raise OSError where that is not allowed: CAP_SYS_ADMIN is needed.
    """
    before = os.open(_own(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.unshare(os.CLONE_NEWNET)
        try:
            up = (("ip", "link", "set", "lo", "mtu", str(MTU)), ("ip", "link", "set", "lo", "up"))
            for command in (*up, *commands):
                subprocess.run(command, check=True, capture_output=True, text=True)
            yield
        finally:
            os.setns(before, os.CLONE_NEWNET)
    finally:
        os.close(before)


def _own() -> Path:
    return Path(f"/proc/self/task/{threading.get_native_id()}/ns/net")
