"""Requests that came before: remembered by the way they came, and no more of them than there is room for."""

import socket
from collections.abc import Iterator

import pytest
from drydock_proxy.front import heads
from drydock_proxy.front.connection import Connection, Port
from drydock_proxy.front.repeats import Repeat, Repeats

PLACE = ("assets.example", 443, "/a")


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


def connection(sock: socket.socket, repeats: Repeats, *, host: str = "assets.example", by: Port = Port.TLS) -> Connection:
    """Return a connection that came by a way."""
    made = Connection(sock, "127.0.0.1", by)
    made.host, made.tls = host, True
    made.repeats = repeats.of(made)
    return made


def raw(number: int = 0, size: int = 0) -> bytes:
    """Return a request without its end, one for each number."""
    return b"GET /a HTTP/1.1\r\nHost: assets.example\r\nX-Number: %d%s" % (number, b"0" * size)


def test_a_request_is_known_to_all_that_come_by_the_same_way(sock: socket.socket) -> None:
    """By its bytes with their end; not to a connection to another host, through another door, or without TLS."""
    repeats = Repeats()
    first, head = connection(sock, repeats), heads.read(raw())
    repeats.remember(first, raw(), head, PLACE)
    assert connection(sock, repeats).repeats == {raw() + b"\r\n\r\n": Repeat(head, PLACE)}
    assert not connection(sock, repeats, host="other.example").repeats
    assert not connection(sock, repeats, by=Port.PROXY).repeats
    plain = Connection(sock, "127.0.0.1", Port.TLS)
    plain.host = "assets.example"
    assert not repeats.of(plain)


def test_no_client_fills_the_memory(sock: socket.socket) -> None:
    """Neither with ever new requests, nor with long ones, nor with ever new hosts."""
    repeats = Repeats()
    one = connection(sock, repeats)
    repeats.remember(one, raw(size=2000), heads.read(raw()), PLACE)
    assert not one.repeats
    for number in range(1000):
        repeats.remember(one, raw(number), heads.read(raw()), PLACE)
    assert 0 < len(one.repeats) <= 256
    for number in range(64):
        connection(sock, repeats, host=f"{number}.example")
    assert not connection(sock, repeats).repeats  # the way that was known first is gone
    assert one.repeats  # who came by it goes on
