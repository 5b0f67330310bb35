"""The names of clients: what Docker's own resolver calls the container behind an address, asked while it still runs."""

import asyncio
import contextlib
import ipaddress
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# <project>-<service>-<number>.<network>, or with run-<id> in place of the number for `docker compose run`.
_CONTAINER = re.compile(r"(?P<name>[^.]+?)-(?:run-[0-9a-f]+|\d+)\.(?P<network>[^.]+)")
_LOOK_UP_SECONDS = 4.0
_PAUSES = (0.0, 0.2)  # seconds: Docker's resolver does not know a container at once, and a busy one fails now and then
# Docker gives an address to the next container as soon as one is gone, which takes longer than this.
_SAME_CONTAINER_SECONDS = 0.5


def service_name(host: str) -> str:
    """Return the compose service that a container's name stands for, or the name as it is when it is none of compose's."""
    match = _CONTAINER.fullmatch(host)
    if match is None:
        return host
    project = match["network"].rpartition("_")[0]
    return match["name"].removeprefix(f"{project}-") if project else match["name"]


class ClientNames:
    """Learns names beside everything else; a client without one is known by its address alone.

    A name is that of whoever has the address now: one after the other, several containers have the same.
    Only private addresses are looked up, and none when `asking` is false: offline nothing at all is sent out.
    """

    def __init__(self, *, asking: bool) -> None:
        self._asking = asking
        # of its own: behind the work on files a look-up would come when the container is gone
        self._threads = ThreadPoolExecutor(2, "client-names")
        self._asked: dict[str, tuple[float, asyncio.Task[str]]] = {}

    def learn(self, address: str, tell: Callable[[str], None]) -> None:
        """Look an address up and tell its name, empty where it has none; misses of one moment share a look-up."""
        if not self._asking or not _is_private(address):
            return
        asked, task = self._asked.get(address, (0.0, None))
        if task is None or time.monotonic() - asked > _SAME_CONTAINER_SECONDS:
            task = asyncio.create_task(self._look_up(address), name=f"name of {address}")
            self._asked[address] = time.monotonic(), task
        task.add_done_callback(lambda done: None if done.cancelled() else tell(done.result()))

    async def settled(self) -> None:
        """Wait for the names that are being looked up."""
        await asyncio.gather(*(task for _, task in self._asked.values()), return_exceptions=True)

    async def _look_up(self, address: str) -> str:
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_LOOK_UP_SECONDS):
                    found = await asyncio.get_running_loop().run_in_executor(self._threads, socket.gethostbyaddr, address)
                return service_name(found[0])
        return ""


def _is_private(address: str) -> bool:
    with contextlib.suppress(ValueError):
        parsed = ipaddress.ip_address(address)
        return parsed.is_private and not parsed.is_loopback
    return False
