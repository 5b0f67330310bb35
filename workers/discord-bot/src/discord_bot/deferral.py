"""Work that goes on after the response: handed to the runtime where there is one, kept alive by the event loop elsewhere."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request

KEY = "discord_bot.wait_until"
"""Where main.py puts the runtime's waitUntil into the ASGI scope."""

type Defer = Callable[[Coroutine[Any, Any, None]], None]

log = logging.getLogger(__name__)
_running: set[asyncio.Future[None]] = set()


async def get_defer(request: Request) -> Defer:
    """Return the function that takes deferred work.

    FastAPI's background tasks would not do: the SDK awaits them before it returns a response, and Discord waits three seconds.
    """
    wait_until: Callable[[Awaitable[None]], object] | None = request.scope.get(KEY)

    def defer(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        _running.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(_finished)
        if wait_until is not None:
            wait_until(task)

    return defer


def _finished(task: asyncio.Future[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("deferred work failed", exc_info=error)
