"""Descriptors run out for those who wait first, never for those who ask."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask
from tests.upstream.scripted import Upstream


def test_silent_connections_make_room_for_a_good_request(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, authority_file: Path
) -> None:
    """With 160 descriptors and 220 held heads a request is answered within two seconds, and the journal is not flooded (28)."""
    upstream.route("/good", b"good")
    proxy = start_proxy(
        'pin = ["assets.example"]\n',
        resolve=upstream.resolve,
        upstream_ca=authority_file,
        before=["sh", "-c", 'ulimit -n 160; exec "$@"', "sh"],
    )
    assert ask(proxy, Way.SNI, "https://assets.example/good").body == b"good"
    slow = []
    try:
        for number in range(220):
            connection = socket.create_connection(proxy.proxy_address if number % 2 else proxy.tls_address, timeout=5)
            connection.sendall(b"GET / HTTP/1.1\r\nX" if number % 2 else b"\x16\x03\x01")
            slow.append(connection)
        for way in Way:
            started = time.monotonic()
            assert ask(proxy, way, "https://assets.example/good").body == b"good"
            assert time.monotonic() - started < 2
    finally:
        for connection in slow:
            connection.close()
    started = time.monotonic()
    assert ask(proxy, Way.CONNECT, "https://assets.example/good").body == b"good"
    assert time.monotonic() - started < 2
    assert len(proxy.log_lines()) < 50
