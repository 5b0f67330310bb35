"""What a client may keep the front waiting for, and how many connections it may hold."""

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path

import pytest
from drydock_cache.mode import Mode
from drydock_cache.policy import Policy
from drydock_cache.upstream_settings import UpstreamSettings
from drydock_proxy.front import front, opening, serving
from drydock_proxy.listener import Listener
from drydock_proxy.service import ServiceSettings, running

ANY = Listener("127.0.0.1", 0)
HEAD = b"GET /a HTTP/1.1\r\nHost: assets.example\r\nX-Long: " + b"x" * 1000


def settings(tmp_path: Path) -> ServiceSettings:
    """Settings of a proxy that has one host, and no upstream."""
    policy = Policy.parse('pin = ["assets.example"]', "drydock.toml")
    return ServiceSettings(policy, UpstreamSettings(mode=Mode.OFFLINE), tmp_path / "store", tmp_path / "state", ANY, ANY, ANY)


def trickled(connection: socket.socket, data: bytes, seconds: float) -> float:
    """Send bytes one by one until the other side ends the connection, or raise TimeoutError; return how long that took."""
    started = time.monotonic()
    connection.settimeout(0.02)
    for byte in data:
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"the connection stood for {seconds} s")
        try:
            connection.sendall(bytes([byte]))
            if not connection.recv(1):
                break
        except TimeoutError:  # nothing came, and nothing ended
            continue
        except OSError:
            break
    return time.monotonic() - started


def secure(service: Listener, ca: Path) -> ssl.SSLSocket:
    """Connect to the TLS port."""
    context = ssl.create_default_context(cafile=str(ca))
    return context.wrap_socket(socket.create_connection((service.host, service.port)), server_hostname="assets.example")


async def test_a_head_that_trickles_has_so_much_time_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte that comes does not begin the time anew."""
    monkeypatch.setattr(serving, "_HEAD_SECONDS", 0.3)
    async with running(settings(tmp_path)) as service:

        def trickle() -> float:
            with secure(service.tls, tmp_path / "state" / "ca.pem") as connection:
                return trickled(connection, HEAD, 10)

        assert 0.3 < await asyncio.to_thread(trickle) < 3


@pytest.mark.parametrize("port", ["tls", "proxy"])
async def test_a_greeting_that_trickles_has_so_much_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    """A connection that does not get as far as its first request ends too."""
    monkeypatch.setattr(front, "_GREETING_SECONDS", 0.3)
    async with running(settings(tmp_path)) as service:
        listener: Listener = getattr(service, port)
        data = (
            b"\x16\x03\x01\x20\x00" + bytes(1000)
            if port == "tls"
            else b"CONNECT assets.example:443 HTTP/1.1\r\nX: " + b"x" * 1000
        )

        def trickle() -> float:
            with socket.create_connection((listener.host, listener.port)) as connection:
                return trickled(connection, data, 10)

        assert 0.3 < await asyncio.to_thread(trickle) < 3


async def test_idle_connections_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than may wait at once come in all the same; those that have waited longest are closed."""
    monkeypatch.setattr(opening, "idle_limit", lambda _descriptors: 16)
    async with running(settings(tmp_path)) as service:

        def come() -> list[bool]:
            with contextlib.ExitStack() as stack:
                ca = tmp_path / "state" / "ca.pem"
                held = [stack.enter_context(secure(service.tls, ca)) for _ in range(12)]
                alive = []
                for connection in held:
                    connection.settimeout(2)
                    try:
                        connection.sendall(b"GET /a HTTP/1.1\r\nHost: assets.example\r\n\r\n")
                        alive.append(connection.recv(12) == b"HTTP/1.1 504")
                    except OSError:
                        alive.append(False)
                return alive

        alive = await asyncio.to_thread(come)
    assert alive == [False] * 4 + [True] * 8
