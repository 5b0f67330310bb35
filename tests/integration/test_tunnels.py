"""Blind tunnels: TLS from end to end, nothing decrypted, and failures that have a status and a reason."""

import json
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, everything, plain, reply, secure


def test_the_certificate_is_the_hosts_own(world: World, way: Way) -> None:
    """The client verifies the host's certificate against the host's CA, and the proxy decrypts nothing."""
    world.upstream.route(f"/{way}/secret-of-both", b"unread")
    with secure(world.proxy, way, "tunnel.example", ca=world.ca) as connection:
        certificate = connection.getpeercert()
        connection.sendall(f"GET /{way}/secret-of-both HTTP/1.1\r\nHost: tunnel.example\r\n\r\n".encode())
        assert reply(connection).body == b"unread"
    assert certificate is not None
    assert (("commonName", "Internet test root"),) in certificate["issuer"]
    assert f"/{way}/secret-of-both" not in world.proxy.output()
    line = world.proxy.wait_for_line(lambda line: line.get("host") == "tunnel.example" and line.get("outcome") == "opened")
    assert (line["event"], line["port"], line["client"]) == ("tunnel", 443, "127.0.0.1")


def test_a_wildcard_leads_to_names_that_nobody_listed(world: World, way: Way) -> None:
    """*.wild.example is tunnelled for a name below it."""
    world.upstream.route("/wild", b"wild")
    assert ask(world.proxy, way, "https://a.wild.example/wild", ca=world.ca).body == b"wild"


def test_a_tunnel_is_counted_with_its_bytes(world: World) -> None:
    """/stats tells how many tunnels were opened and how many bytes went through."""
    world.upstream.route("/counted", b"x" * 100_000)
    before = world.proxy.stats()
    ask(world.proxy, Way.CONNECT, "https://tunnel.example/counted", ca=world.ca)
    after = world.proxy.stats()
    assert after["tunnels"]["opened"] == before["tunnels"].get("opened", 0) + 1
    assert after["bytes_tunnelled"] > before["bytes_tunnelled"] + 100_000
    assert after["upstream_connections"] == before["upstream_connections"] + 1
    assert after["bytes_served"] == before["bytes_served"]


def test_a_tunnel_that_cannot_be_dialled_is_an_error_before_it_stands(world: World) -> None:
    """CONNECT is answered with 504 and JSON; on the TLS port the alert says that the failure is not the client's."""
    answer = plain(world.proxy.proxy_address, b"CONNECT away.example:443 HTTP/1.1\r\nHost: away.example:443\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"Cache-Status: drydock; fwd=bypass; detail=unreachable\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["url"] == "away.example:443"
    with pytest.raises(ssl.SSLError, match="internal error"):
        secure(world.proxy, Way.SNI, "away.example")
    line = world.proxy.wait_for_line(lambda line: line.get("host") == "away.example")
    assert line["outcome"] == "unreachable"


def test_bytes_before_the_answer_to_connect_are_not_lost(world: World) -> None:
    """A client may send its greeting together with CONNECT."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context(cafile=str(world.ca)).wrap_bio(incoming, outgoing, server_hostname="tunnel.example")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with socket.create_connection(world.proxy.proxy_address, timeout=10) as connection:
        connection.sendall(b"CONNECT tunnel.example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n" + outgoing.read())
        received = b""
        while b"\r\n\r\n\x16" not in received:
            data = connection.recv(1000)
            assert data, received
            received += data


def test_a_client_that_leaves_closes_the_tunnel_upstream(world: World, way: Way) -> None:
    """Neither side of a tunnel outlives the other for long."""
    connection = secure(world.proxy, way, "tunnel.example", ca=world.ca)
    sockets = _sockets(world.proxy)
    connection.close()
    deadline = time.monotonic() + 5
    while _sockets(world.proxy) >= sockets:
        assert time.monotonic() < deadline, "the tunnel is still open"
        time.sleep(0.02)


def test_a_host_that_closes_closes_the_tunnel_to_the_client(world: World, way: Way) -> None:
    """When upstream ends the connection the client sees it at once."""
    world.upstream.route("/closing", b"half of it", "no_cl_close")
    with secure(world.proxy, way, "tunnel.example", ca=world.ca) as connection:
        connection.settimeout(5)
        connection.sendall(b"GET /closing HTTP/1.1\r\nHost: tunnel.example\r\n\r\n")
        assert everything(connection).endswith(b"half ")


def _sockets(proxy: RunningProxy) -> int:
    """Count the open sockets of the process."""
    links = Path(f"/proc/{proxy.pid}/fd")
    return sum(str(link.readlink()).startswith("socket:") for link in links.iterdir() if link.is_symlink())
