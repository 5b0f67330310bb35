"""Offline means that nothing goes out: answers from the store, and for the rest an error that says how to mend it."""

import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy, plain_environment
from tests.integration.ways import Way, ask, header, plain, secure
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\nrevalidate = ["index.example"]\ntunnel = ["tunnel.example"]\n'
BODY = bytes(range(256)) * 100
AT_ONCE = 1.0  # second

# CPython tells audit hooks of every look-up and connection that Python code makes.
WITNESS = """
import os, sys

def witness(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        with open(os.environ["WITNESSED"], "a") as file:
            file.write(f"{event} {arguments[0 if event.startswith('socket.get') else 1]}\\n")

sys.addaudithook(witness)
"""


def outside(witnessed: Path) -> list[str]:
    """Return what was looked up or connected to that is not the process's own loopback ports."""
    lines = witnessed.read_text().splitlines() if witnessed.exists() else []
    return [line for line in lines if "127.0.0.1" not in line]


def test_offline_nothing_is_looked_up_or_connected_to(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], tmp_path: Path
) -> None:
    """What is stored is served, stale pages too; all else is an error within a second; no packet leaves."""
    upstream = start_upstream("assets.example", "index.example", "tunnel.example")
    upstream.route("/kept", BODY)
    upstream.route("/simple/", b"page", etag='"1"', cache_control="max-age=0")
    of_upstream = {"resolve": upstream.resolve, "upstream_ca": upstream.write_ca(tmp_path / "internet.pem")}
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WITNESS)

    def environment(witnessed: Path) -> dict[str, str]:
        return plain_environment(tmp_path) | {"PYTHONPATH": str(hook), "WITNESSED": str(witnessed)}

    online = start_proxy(POLICY, environment=environment(tmp_path / "online"), **of_upstream)
    ask(online, Way.SNI, "https://assets.example/kept")
    ask(online, Way.SNI, "https://index.example/simple/")
    ask(online, Way.SNI, "https://assets.example:443/nowhere.invalid")
    assert online.stats()["upstream_connections"] > 0
    online.stop()
    assert str(upstream.port) in (tmp_path / "online").read_text(), "the witness saw no connection where there was one"
    upstream.stop()

    offline = start_proxy(POLICY, mode="offline", environment=environment(tmp_path / "offline"), dns_answer="10.1.2.3")
    for way in Way:
        kept = ask(offline, way, "https://assets.example/kept")
        assert (kept.body, header(kept, "Cache-Status")) == (BODY, "drydock; hit")
        assert ask(offline, way, "https://assets.example/kept", "--range", "0-9").body == BODY[:10]
        page = ask(offline, way, "https://index.example/simple/")
        assert (page.body, header(page, "Cache-Status").startswith("drydock; hit")) == (b"page", True)
        for target in ("https://assets.example/missing.whl", "https://index.example/other/"):
            for extra in ([], ["--head"], ["--range", "0-9"], ["--data", "x"]):
                started = time.monotonic()
                missing = ask(offline, way, target, *extra)
                assert time.monotonic() - started < AT_ONCE
                assert missing.status == 504
                assert "offline" in header(missing, "Cache-Status")
        told = json.loads(ask(offline, way, "https://assets.example/missing.whl").body)
        assert told["url"] == "https://assets.example/missing.whl"
        assert "drydock warm --url https://assets.example/missing.whl" in told["mend"]
    started = time.monotonic()
    answer = plain(offline.proxy_address, b"CONNECT tunnel.example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 504 ")
    with pytest.raises(ssl.SSLError, match="internal error"):
        secure(offline, Way.SNI, "tunnel.example")
    assert time.monotonic() - started < AT_ONCE
    assert offline.stats()["upstream_connections"] == 0
    assert outside(tmp_path / "offline") == []
