"""The pump: a large content comes by a thread, and every fault ends as it does on the loop's way."""

import asyncio
import os
import socket
import threading
from pathlib import Path

import pytest
from drydock_cache import pace
from drydock_cache.growing import GrowingContent
from drydock_cache.limits import Limits
from drydock_cache.pace import Pace
from drydock_cache.pumps import Pumps, Rest
from drydock_cache.tls_stream import TlsStream

from cache.tests.conftest import StartDrydock
from cache.tests.disks import small_disk
from cache.tests.harness import ASSETS, Drydock, eventually, first_bytes, open_files, read
from cache.tests.test_tls_stream import serving
from cache.tests.test_upstream_hostile import hostile
from tests.upstream.pki import Authority, server_context
from tests.upstream.resource import Gate
from tests.upstream.scripted import Upstream
from tests.upstream.tls_records import TrafficKeys

BODY = os.urandom(5_000_000)
URL = f"{ASSETS}/a.whl"
ETAG = '"1"'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(autouse=True)
def moved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were to come each time that a thread took over."""
    found: list[int] = []
    move = Pumps.move

    async def seen(self: Pumps, rest: Rest, content: GrowingContent, pace: Pace) -> None:
        found.append(rest.remaining)
        await move(self, rest, content, pace)

    monkeypatch.setattr(Pumps, "move", seen)
    return found


async def test_a_large_content_is_moved_by_a_thread(drydock: Drydock, internet: Upstream, moved: list[int]) -> None:
    """Nearly all of it, once; its connection is used again; a small one is not worth a thread."""
    internet.route("/a.whl", BODY, etag=ETAG)
    internet.route("/small.whl", BODY[:500_000])
    assert (await drydock.get(URL)).body == BODY
    assert len(moved) == 1
    assert moved[0] > len(BODY) - 1_000_000
    assert (await drydock.get(f"{ASSETS}/small.whl")).body == BODY[:500_000]
    assert len(moved) == 1
    assert internet.connections == 1
    assert (await drydock.get(URL)).outcome == "hit"


async def test_cuts_are_resumed_by_threads_too(drydock: Drydock, internet: Upstream, moved: list[int]) -> None:
    """Each connection brings what the one before did not."""
    internet.route("/a.whl", BODY, etag=ETAG, cuts=(1_700_000, 1_300_000, None))
    drydock.expect(URL, BODY, len(BODY))
    assert (await drydock.get(URL)).body == BODY
    assert len(moved) == 3
    assert moved[2] < len(BODY) - 2_900_000


async def test_a_reset_is_the_upstreams_fault(drydock: Drydock, internet: Upstream, moved: list[int]) -> None:
    internet.route("/a.whl", BODY, "reset_mid")
    seen = await drydock.get(URL)
    assert not seen.whole
    assert moved
    assert drydock.store.index.count() == 0
    assert drydock.staged() == []


async def test_silence_ends_it(drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch, moved: list[int]) -> None:
    """As on the loop's way, and the thread is free afterwards."""
    monkeypatch.setattr(pace, "_STALL_SECONDS", 0.3)
    internet.route("/a.whl", BODY, "stall_mid")
    async with asyncio.timeout(5):
        seen = await drydock.get(URL)
    assert "sent nothing" in seen.cut
    assert moved
    assert drydock.staged() == []
    with drydock.exchange.fetcher.pumps.place(len(BODY)) as is_free:
        assert is_free


async def test_a_trickle_ends_it(
    start_drydock: StartDrydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch, moved: list[int]
) -> None:
    """The thread judges how much came in how long as the loop does."""
    monkeypatch.setattr(pace, "_WINDOW_SECONDS", 0.2)
    internet.route("/a.whl", BODY, etag=ETAG, rate=1_000_000)
    seen = await start_drydock(limits=Limits(rate=2_000_000)).get(URL)
    assert "less than 2000000 bytes a second" in seen.cut
    assert moved


@pytest.mark.parametrize("room", ["1500k", "4m"])
async def test_a_full_disk_stops_the_thread_and_no_client(
    start_drydock: StartDrydock, internet: Upstream, tmp_path: Path, moved: list[int], room: str
) -> None:
    """What the disk did not take, and all that follows, passes through memory."""
    internet.route("/a.whl", BODY, etag=ETAG)
    with small_disk(tmp_path / "small", room) as disk:
        drydock = start_drydock(disk / "store")
        seen = await drydock.get(URL)
        assert seen.body == BODY
        assert moved
        assert drydock.store.index.count() == 0
        await eventually(lambda: drydock.staged() == [])
        await drydock.close()


async def test_a_download_that_is_given_up_leaves_nothing(
    start_drydock: StartDrydock, internet: Upstream, tmp_path: Path, moved: list[int]
) -> None:
    """While upstream is silent: the thread leaves at once, and with it every descriptor, staged byte and thread."""
    gate = Gate()
    internet.route("/a.whl", BODY, etag=ETAG, gate=gate)
    drydock = start_drydock(tmp_path / "other")
    answer = await drydock.ask(URL)
    await first_bytes(answer)
    await asyncio.to_thread(gate.wait_reached)
    await eventually(lambda: bool(moved))
    staged = open_files()
    async with asyncio.timeout(2):
        await drydock.exchange.fetcher.aclose()
    assert (await read(answer)).cut
    assert drydock.staged() == []
    assert any("staging" in path for path in staged)
    await eventually(lambda: not any("staging" in path for path in open_files()))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pump")]
    gate.open()


async def test_more_contents_than_threads_all_arrive(drydock: Drydock, internet: Upstream, moved: list[int]) -> None:
    """The fifth takes the loop's way."""
    gate = Gate()
    for number in range(5):
        internet.route(f"/{number}.whl", BODY + bytes([number]), gate=gate)
    getting = [asyncio.create_task(drydock.get(f"{ASSETS}/{number}.whl")) for number in range(5)]
    await eventually(lambda: len(moved) == 4)
    gate.open()
    assert [seen.body[-1] for seen in await asyncio.gather(*getting)] == list(range(5))


async def test_followers_of_every_kind_get_the_same(drydock: Drydock, internet: Upstream, moved: list[int]) -> None:
    """From the loop and from threads, whole and in part, from the beginning and late."""
    internet.route("/a.whl", BODY, etag=ETAG, rate=10_000_000)
    tasks = [
        asyncio.create_task(drydock.get(URL, "GET", None, **fields)) for fields in ({}, {}, {"range": "bytes=4000000-4000999"})
    ]
    await eventually(lambda: bool(moved))
    tasks.append(asyncio.create_task(drydock.get(URL)))
    found = await asyncio.gather(*tasks)
    assert [seen.body == BODY for seen in found] == [True, True, False, True]
    assert found[2].body == BODY[4_000_000:4_001_000]
    assert internet.count("/a.whl") == 1


async def test_what_comes_behind_a_large_answer_is_not_the_next_one(settings: object, start_drydock: StartDrydock) -> None:
    """The bytes behind its length are nobody's, and the next request has a connection of its own."""

    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request.startswith(b"GET /a"):
            writer.write(HEAD % len(BODY) + BODY + HEAD % 5 + b"wrong")
        else:
            writer.write(HEAD % 5 + b"right")

    async with hostile(say) as resolve:
        policy = 'pin = ["hostile.example:80"]'
        drydock = start_drydock(policy=policy, resolve=resolve)
        assert (await drydock.get("http://hostile.example/a.whl")).body == BODY
        assert (await drydock.get("http://hostile.example/b.whl")).body == b"right"
        assert drydock.upstream.connections_tried == 2
        await drydock.close()


async def test_a_change_of_keys_in_the_middle_is_taken(
    start_drydock: StartDrydock, authority: Authority, tmp_path: Path, moved: list[int]
) -> None:
    """Of TLS 1.3: OpenSSL answers it with whatever is sent next."""

    def serve(connection: socket.socket) -> None:
        context = server_context(authority.leaf("assets.example"))
        context.num_tickets, context.keylog_filename = 0, str(tmp_path / "secrets")
        tls = context.wrap_socket(connection, server_side=True)
        tls.recv(4096)
        keys = TrafficKeys(tls, tmp_path / "secrets", "SERVER")
        with socket.socket(fileno=tls.detach()) as raw:
            raw.settimeout(5)
            raw.sendall(keys.data(HEAD % len(BODY)))
            for start in range(0, len(BODY), 16_000):
                raw.sendall(keys.data(BODY[start : start + 16_000]) + keys.updates(1, asking=True))
            while raw.recv(4096):
                pass

    with serving(serve) as port:
        drydock = start_drydock(resolve={"assets.example": ("127.0.0.1", port)})
        seen = await drydock.get(URL)
        await drydock.close()
    assert seen.body == BODY, seen.cut
    assert moved


async def test_a_new_handshake_in_the_middle_is_answered(
    start_drydock: StartDrydock,
    authority: Authority,
    tmp_path: Path,
    moved: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of TLS 1.2, by OpenSSL's own server, which waits for it: what TLS has to say is the loop's to send, and the thread goes on."""
    answers: list[TlsStream] = []
    answer = TlsStream.answer

    async def seen_answer(self: TlsStream) -> None:
        answers.append(self)
        await answer(self)

    monkeypatch.setattr(TlsStream, "answer", seen_answer)
    lines = b"".join(b"%098d\r\n" % number for number in range(30_000))
    leaf = authority.leaf("assets.example")
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["openssl", "s_server", "-accept", str(port), "-cert", str(tmp_path / "leaf.pem"), "-tls1_2", "-crlf"]
    server = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        await server.stdout.readuntil(b"ACCEPT")
        drydock = start_drydock(resolve={"assets.example": ("127.0.0.1", port)})
        getting = asyncio.create_task(drydock.get(URL))
        said = await server.stdout.readuntil(b"\r\n\r\n")
        server.stdin.write((HEAD % len(lines)).replace(b"\r\n", b"\n"))
        for start in range(0, len(lines), 500_000):
            if start:
                await asyncio.sleep(0.1)
                server.stdin.write(b"r\n")  # a command, where it comes alone
                await asyncio.sleep(0.1)
            server.stdin.write(lines[start : start + 500_000].replace(b"\r\n", b"\n"))
            await server.stdin.drain()
        seen = await getting
        said += await server.stdout.read(1 << 20)
    finally:
        server.kill()
        await server.wait()
    assert seen.body == lines, seen.cut
    assert moved
    assert said.count(b"SSL_do_handshake -> 1") == 5
    assert len(answers) == 2 * 5  # flights
