"""Sending: which answers the kernel may hold back until they fill its packets."""

import socket

import pytest
from drydock_proxy.front.sending import gathered

from tests.integration.bad_network import network

_MIDDLE = 100_000


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return server.accept()[0], client


def _is_held_back(sock: socket.socket) -> bool:
    """Tell whether what fills no packet waits."""
    return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK))


@pytest.mark.parametrize(("count", "held_back"), [(1_000, False), (_MIDDLE, True), (14_000_000, False)])
def test_on_loopback_an_answer_of_middle_size_fills_packets(count: int, held_back: bool) -> None:
    """Of a small one nothing is to be gathered, and a large one keeps the client busy while the next packet is made."""
    sock, client = _pair()
    with sock, client:
        with gathered(sock, count):
            assert _is_held_back(sock) == held_back
        assert not _is_held_back(sock)


@pytest.mark.parametrize("count", [1_000, _MIDDLE, 14_000_000])
def test_on_a_network_nothing_is_held_back(count: int) -> None:
    """To fill packets of 1,500 bytes, which hold a part of a record, would cost a container most of the speed."""
    with network():
        sock, client = _pair()
        with sock, client, gathered(sock, count):
            assert not _is_held_back(sock)
