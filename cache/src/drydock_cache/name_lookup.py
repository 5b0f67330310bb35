"""Looking names up: DNS with a deadline, in threads of its own.

The event loop's pool also reads and writes the store: names that hang, as they do on networks without DNS, must not fill it.
And a thread that waits for DNS must not hold up the end of the process.
"""

import asyncio
import contextlib
import socket
import threading

from drydock_cache.errors import UpstreamError, UpstreamFailure

_SECONDS = 8.0


def numeric_address(host: str) -> str | None:
    """Return the address that `host` spells (also as 2852039166 or 0x7f.1, as C libraries read it), or None for a name.

    A dot at the end and a zone change nothing: whoever reads the host next may leave them out.
    """
    bare = host.rstrip(".").partition("%")[0] if ":" in host else host.rstrip(".")
    try:
        found = socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0])


def is_this_machine(host: str) -> bool:
    """Tell whether a name means the machine that looks it up (RFC 6761 §6.3)."""
    bare = host.lower().rstrip(".")
    return bare == "localhost" or bare.endswith(".localhost")


async def look_up(name: str) -> list[str]:
    """Return the numeric addresses of `name` in the system's order of preference; raise UpstreamError when there are none."""
    if (numeric := numeric_address(name)) is not None:
        return [numeric]
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str] | Exception] = loop.create_future()

    def deliver(found: list[str] | Exception) -> None:
        if not answer.done():
            answer.set_result(found)

    def ask() -> None:
        found: list[str] | Exception
        try:
            entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
            found = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, found)

    threading.Thread(target=ask, name=f"look up {name}", daemon=True).start()
    try:
        async with asyncio.timeout(_SECONDS):
            found = await answer
    except TimeoutError:
        raise _not_found(name, f"DNS did not answer within {_SECONDS:.0f} seconds") from None
    if isinstance(found, Exception):
        raise _not_found(name, getattr(found, "strerror", None) or str(found)) from found
    return found


def _not_found(name: str, reason: str) -> UpstreamError:
    return UpstreamError(
        UpstreamFailure.NAME_NOT_FOUND,
        f"The name {name} of the upstream was not found: {reason}.",
        "Check DNS, or set HTTPS_PROXY when a corporate proxy resolves names.",
    )
