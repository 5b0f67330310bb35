"""The proxy stops within a second whatever is under way; two that run on one store do each other no harm."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, header, secure
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\ntunnel = ["tunnel.example"]\n'
BODY = bytes(range(256)) * 4096


@dataclass(frozen=True)
class Pair:
    """Two proxies, and the upstream of both."""

    one: RunningProxy
    other: RunningProxy
    upstream: Upstream
    place: Path

    @property
    def ca(self) -> Path:
        """The CA that both sign with."""
        return self.place / "state" / "ca.pem"


def staged(store: Path) -> list[str]:
    """Return what lies in the store's staging folder."""
    return sorted(entry.name for entry in (store / "staging").iterdir())


@pytest.fixture(scope="module")
def pair(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two proxies that were started at the same time on one store and one state."""
    place = tmp_path_factory.mktemp("pair")
    ca = authority.write(place / "internet.pem")
    options = ["--store", str(place / "store"), "--state", str(place / "state")]
    with Upstream(authority, "assets.example", "tunnel.example") as upstream, contextlib.ExitStack() as stack:

        def start(name: str) -> RunningProxy:
            (place / name).mkdir()
            settings = {"resolve": upstream.resolve, "upstream_ca": ca, "dns_answer": "10.1.2.3", "options": options}
            return stack.enter_context(RunningProxy(place / name, POLICY, **settings))  # type: ignore[arg-type]

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(start, ("one", "other"))
        yield Pair(one, other, upstream, place)


@pytest.mark.fault("34", path="hit miss")
def test_two_proxies_share_one_store(pair: Pair, way: Way) -> None:
    """Twenty clients of both download the same at once, all right; each proxy serves what the other has stored."""
    pair.upstream.route(f"/{way}/both", BODY, "slow")
    ready = threading.Barrier(20)

    def fetch(number: int) -> bytes:
        ready.wait(10)
        return ask((pair.one, pair.other)[number % 2], way, f"https://assets.example/{way}/both", ca=pair.ca).body

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(fetch, range(20))) == [BODY] * 20
    assert pair.upstream.count(f"/{way}/both") <= 2
    for number, (storing, serving) in enumerate(((pair.one, pair.other), (pair.other, pair.one))):
        target = f"https://assets.example/{way}/of-{number}"
        pair.upstream.route(f"/{way}/of-{number}", BODY)
        ask(storing, way, target, ca=pair.ca)
        hit = ask(serving, way, target, ca=pair.ca)
        assert (hit.body, header(hit, "Cache-Status")) == (BODY, "drydock; hit")
    assert staged(pair.place / "store") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_a_second_with_everything_open(pair: Pair, number: signal.Signals) -> None:
    """Idle and half-open connections, a tunnel and an endless download do not delay it, and nothing staged is left."""
    proxy = pair.one if number is signal.SIGINT else pair.other
    pair.upstream.route("/endless", b"", "infinite")
    before = proxy.memory()
    with contextlib.ExitStack() as open_ones:
        for address in (proxy.proxy_address, proxy.tls_address, proxy.dns_address):
            open_ones.enter_context(socket.create_connection(address)).sendall(b"\x16\x03")
        open_ones.enter_context(secure(proxy, Way.CONNECT, "assets.example", ca=pair.ca))
        open_ones.enter_context(secure(proxy, Way.SNI, "tunnel.example", ca=pair.place / "internet.pem"))
        download = open_ones.enter_context(secure(proxy, Way.SNI, "assets.example", ca=pair.ca))
        download.sendall(b"GET /endless HTTP/1.1\r\nHost: assets.example\r\n\r\n")
        received = 0
        while received < 8 << 20:
            received += len(download.recv(1 << 16))
        assert proxy.memory() < before + 25
        status, seconds = proxy.signal(number)
    assert (status, seconds < 1) == (0, True), seconds
    assert "Traceback" not in proxy.output()
    assert staged(pair.place / "store") == []
