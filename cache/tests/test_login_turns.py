"""While a company's proxy has not said what it thinks of a password, others wait their turn, but not for long."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache import proxy_account
from drydock_cache import upstream as upstream_module
from drydock_cache.errors import UpstreamError
from drydock_cache.routes import ProxyRoutes
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings

from tests.upstream.scripted import Upstream as Internet
from tests.upstream.squid import Company, Squid
from tests.upstream.tinyproxy import SmallCompany, Tinyproxy
from tests.upstream.unanswering import unanswering

LOGIN = ("worker", "hunter2")
HOLE, GOOD = "hole.example", "assets.example"
ANSWER = 0.5  # seconds for which a proxy is waited for, where a test cannot wait for the real ones


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_account, "_ANSWER_SECONDS", ANSWER)


@pytest.fixture(params=["squid", "tinyproxy"])
def company(
    request: pytest.FixtureRequest, internet: Internet, start_squid: Callable[[Company], Squid], tmp_path: Path
) -> Iterator[Squid | Tinyproxy]:
    """A company's proxy with a password, before the internet and a host that never answers."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed; the test image brings it")
    with unanswering() as port:
        lead = {GOOD: ("127.0.0.1", internet.port), HOLE: ("127.0.0.1", port)}
        if request.param == "squid":
            yield start_squid(Company(login=LOGIN, lead=lead))
        else:
            with Tinyproxy(tmp_path, SmallCompany(login=LOGIN, lead=lead)) as proxy:
                yield proxy


@asynccontextmanager
async def client(settings: UpstreamSettings, url: str, store: Path | None = None) -> AsyncIterator[Upstream]:
    routes = ProxyRoutes.from_environment({"HTTPS_PROXY": url})
    upstream = Upstream(replace(settings, routes=routes, resolve={}), store)
    try:
        yield upstream
    finally:
        await upstream.aclose()


async def seconds_of(upstream: Upstream) -> float:
    """Return how long a tunnel takes to stand or to fail."""
    since = time.monotonic()
    with contextlib.suppress(UpstreamError):
        await (await upstream.tunnel(GOOD, 443)).aclose()
    return time.monotonic() - since


async def test_a_wrong_password_is_refused_before_the_host_is_dialled(
    settings: UpstreamSettings, company: Squid | Tinyproxy
) -> None:
    """So a proxy that is silent has taken it, and is dialling: what the others' patience is built on."""
    async with client(settings, company.url("wrongpass")) as upstream:
        since = time.monotonic()
        with pytest.raises(UpstreamError, match=r"40[17]"):
            await upstream.tunnel(HOLE, 443)
        assert time.monotonic() - since < 1


async def test_a_host_that_never_answers_holds_the_others_up_for_three_seconds(
    settings: UpstreamSettings, company: Squid | Tinyproxy
) -> None:
    async with client(settings, company.url()) as upstream:
        hole = asyncio.create_task(upstream.tunnel(HOLE, 443))
        await asyncio.sleep(0.2)
        waited = await asyncio.gather(*(seconds_of(upstream) for _ in range(20)))
        assert max(waited) < 5
        assert not hole.done()
        hole.cancel()
        await asyncio.gather(hole, return_exceptions=True)


async def test_many_hosts_that_never_answer_hold_the_others_up_for_three_times_as_long(
    settings: UpstreamSettings, company: Squid | Tinyproxy, soon: None
) -> None:
    """Each goes alone while nothing was heard, and after three of them nobody waits any more."""
    async with client(settings, company.url()) as upstream:
        holes = [asyncio.create_task(upstream.tunnel(HOLE, 443)) for _ in range(10)]
        await asyncio.sleep(0.1)
        waited = await asyncio.gather(*(seconds_of(upstream) for _ in range(10)))
        assert max(waited) < 3 * ANSWER + 2
        for hole in holes:
            hole.cancel()
        await asyncio.gather(*holes, return_exceptions=True)


async def test_a_late_answer_counts_at_once(settings: UpstreamSettings, soon: None) -> None:
    """Of the two that went first one is answered late, and the other not at all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with ExitStack() as stack:
            stack.callback(writer.close)
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"CONNECT late."):
                await asyncio.sleep(1.2 * ANSWER)
            if not head.startswith(b"CONNECT hole."):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await reader.read()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(settings, f"http://worker:hunter2@127.0.0.1:{port}") as upstream:
            first = [asyncio.create_task(upstream.tunnel(host, 443)) for host in ("late.example", HOLE)]
            await asyncio.sleep(0.1)
            waited = await asyncio.gather(*(seconds_of(upstream) for _ in range(20)))
            first[1].cancel()
            await (await first[0]).aclose()
            await asyncio.gather(*first, return_exceptions=True)
    assert max(waited) < 1.6 * ANSWER


@pytest.mark.parametrize(("late", "tries"), [(0.6, 1), (1.6, 2), (2.4, 3)])
async def test_a_directory_that_answers_late_sees_few_tries_of_a_wrong_password(
    settings: UpstreamSettings, soon: None, late: float, tries: int
) -> None:
    """`late` in units of the patience: of 50 at once not one goes before the patience is over, and then only one more."""
    shown = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal shown
        with ExitStack() as stack:
            stack.callback(writer.close)
            head = await reader.readuntil(b"\r\n\r\n")
            shown += b"Proxy-Authorization: Basic " in head
            await asyncio.sleep(late * ANSWER)
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(settings, f"http://worker:wrongpass@127.0.0.1:{port}") as upstream:
            await asyncio.gather(*(seconds_of(upstream) for _ in range(50)))
            assert shown == tries


async def test_a_proxy_that_is_away_is_waited_for_once_and_not_by_one_after_the_other(
    settings: UpstreamSettings, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_module, "_CONNECT_SECONDS", 1.0)
    with unanswering() as port:
        async with client(settings, f"http://worker:hunter2@127.0.0.1:{port}") as upstream:
            waited = await asyncio.gather(*(seconds_of(upstream) for _ in range(20)))
    assert max(waited) < 3 * ANSWER + 1.0 + 0.5


async def test_another_process_that_stands_still_while_it_tries_holds_nobody_up_for_long(
    settings: UpstreamSettings, internet: Internet, tmp_path: Path, soon: None
) -> None:
    """Its lock stays where it is; 20 wait for it together, and none behind another."""
    descriptor = os.open(tmp_path / "logins", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await reader.read()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with client(settings, f"http://worker:hunter2@127.0.0.1:{port}", tmp_path) as upstream:
                waited = await asyncio.gather(*(seconds_of(upstream) for _ in range(20)))
    finally:
        os.close(descriptor)
    assert 3 * ANSWER <= max(waited) < 3 * ANSWER + 1
