"""The names of clients: what Docker's own resolver calls the container behind an address, asked while it still runs."""

import asyncio
import contextlib
import ipaddress
import re
import socket

# <project>-<service>-<number>.<network>, or with run-<id> in place of the number for `docker compose run`.
_CONTAINER = re.compile(r"(?P<name>[^.]+?)-(?:run-[0-9a-f]+|\d+)\.(?P<network>[^.]+)")
_LOOK_UP_SECONDS = 2.0


def service_name(host: str) -> str:
    """Return the compose service that a container's name stands for, or the name as it is when it is none of compose's."""
    match = _CONTAINER.fullmatch(host)
    if match is None:
        return host
    project = match["network"].rpartition("_")[0]
    return match["name"].removeprefix(f"{project}-") if project else match["name"]


class ClientNames:
    """Learns names beside everything else; a client without one is known by its address alone.

    Only private addresses are looked up, and none when `asking` is false: offline nothing at all is sent out.
    """

    def __init__(self, *, asking: bool) -> None:
        self.known: dict[str, str] = {}
        self._asking = asking
        self._tasks: set[asyncio.Task[None]] = set()

    def learn(self, address: str) -> None:
        """Begin to look an address up, once."""
        if not self._asking or address in self.known or not _is_private(address):
            return
        self.known[address] = ""
        task = asyncio.create_task(self._look_up(address), name=f"name of {address}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait for the names that are being looked up."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_up(self, address: str) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                found = await asyncio.to_thread(socket.gethostbyaddr, address)
            self.known[address] = service_name(found[0])


def _is_private(address: str) -> bool:
    with contextlib.suppress(ValueError):
        parsed = ipaddress.ip_address(address)
        return parsed.is_private and not parsed.is_loopback
    return False
