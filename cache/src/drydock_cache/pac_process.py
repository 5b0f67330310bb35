"""Evaluating a PAC script in a process of its own, which is ended when it takes too long, and given nothing but answers to names."""

import asyncio
import contextlib
import json
import socket
import sys
from typing import Any

from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.name_lookup import look_up

_SILENCE_SECONDS = 3.0
_TOTAL_SECONDS = 10.0
_LOOK_UP_SECONDS = 3.0
_START_SECONDS = 20.0  # a cold start of Python on a busy machine
_LINE_LIMIT = 8 << 20
# Where packets to the world leave from; no packet is sent by asking.
_SOMEWHERE = ("192.0.2.1", 9)


class PacProcess:
    """Runs one script; `place` names it in errors. It is started at the first question, and again after it was ended."""

    def __init__(self, script: str, place: str) -> None:
        self._script = script
        self._place = place
        self._process: asyncio.subprocess.Process | None = None
        self._one_at_a_time = asyncio.Lock()

    async def find(self, url: str, host: str) -> list[str]:
        """Return what the script says for a URL: "DIRECT" and URLs of proxies, in order. Raise UpstreamError."""
        async with self._one_at_a_time:
            try:
                if self._process is None or self._process.returncode is not None:
                    await self._start()
                async with asyncio.timeout(_TOTAL_SECONDS):
                    answer = await self._ask({"url": url, "host": host}, _SILENCE_SECONDS)
            except TimeoutError:
                await self.aclose()
                raise self._error(f"did not say within {_SILENCE_SECONDS:.0f} seconds how to reach {host}") from None
            except (OSError, ValueError) as error:
                await self.aclose()
                raise self._error(f"ended the process that it ran in ({type(error).__name__})") from None
            except BaseException:  # an answer that nobody waits for must not become the next one's
                await self.aclose()
                raise
        if "error" in answer:
            raise self._error(f"failed for {host}: {_first_line(answer['error'])}")
        hops: list[str] = answer["hops"]
        return hops

    async def aclose(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "drydock_cache.pac_child",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={}, limit=_LINE_LIMIT, start_new_session=True,
        )  # fmt: skip
        try:
            answer = await self._ask({"script": self._script}, _START_SECONDS)
        except TimeoutError:
            await self.aclose()
            raise self._error(f"was not loaded within {_START_SECONDS:.0f} seconds") from None
        if "error" in answer:
            await self.aclose()
            raise self._error(f"cannot be used: {_first_line(answer['error'])}")

    async def _ask(self, question: dict[str, str], seconds: float) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            await process.stdin.drain()
            async with asyncio.timeout(seconds):
                line = await process.stdout.readline()
            if not line:
                raise BrokenPipeError
            answer: dict[str, Any] = json.loads(line)
            if "look_up" not in answer:
                return answer
            question = {"addresses": await _addresses(str(answer["look_up"]))}  # type: ignore[dict-item]

    def _error(self, what: str) -> UpstreamError:
        return UpstreamError(
            UpstreamFailure.PAC,
            f"The PAC script {self._place} {what}.",
            "Mend the script, or name the proxy in HTTPS_PROXY and unset DRYDOCK_PAC.",
        )


async def _addresses(name: str) -> list[str]:
    if not name:
        return _own_addresses()
    try:
        async with asyncio.timeout(_LOOK_UP_SECONDS):
            return await look_up(name)
    except (UpstreamError, TimeoutError):
        return []


def _own_addresses() -> list[str]:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect(_SOMEWHERE)
        return [str(way.getsockname()[0])]
    return ["127.0.0.1"]


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0][:200].rstrip(".)").removeprefix("Malformed PAC file (")
