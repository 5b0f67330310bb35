"""The proxy stops within a second whatever is under way, and what it was killed in the middle of does no harm."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, header, secure
from tests.upstream.pki import Authority
from tests.upstream.resource import Gate
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


@pytest.fixture
def settings(start_upstream: Callable[..., Upstream], tmp_path: Path) -> tuple[Upstream, dict[str, object]]:
    """An upstream, and what a proxy is told of it."""
    upstream = start_upstream("assets.example", "tunnel.example")
    return upstream, {"resolve": upstream.resolve, "upstream_ca": upstream.write_ca(tmp_path / "internet.pem")}


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


def test_two_proxies_share_one_store(pair: Pair) -> None:
    """Both download the same at once, and serve what the other has stored (34)."""
    pair.upstream.route("/both", BODY, "slow")
    ready = threading.Barrier(20)

    def fetch(number: int) -> bytes:
        ready.wait(10)
        return ask((pair.one, pair.other)[number % 2], Way.SNI, "https://assets.example/both", ca=pair.ca).body

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(fetch, range(20))) == {BODY}
    assert pair.upstream.count("/both") <= 2
    pair.upstream.route("/first", BODY)
    ask(pair.one, Way.SNI, "https://assets.example/first", ca=pair.ca)
    hit = ask(pair.other, Way.CONNECT, "https://assets.example/first", ca=pair.ca)
    assert header(hit, "Cache-Status") == "drydock; hit"


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


def test_a_kill_in_the_middle_of_a_download_does_no_harm(
    start_proxy: Callable[..., RunningProxy], settings: tuple[Upstream, dict[str, object]]
) -> None:
    """After SIGKILL what was stored is a hit, what was staged is swept, and the download comes out right (F18, F19)."""
    upstream, of_upstream = settings
    gate = Gate()
    upstream.route("/whole", BODY)
    upstream.route("/half", BODY, gate=gate)
    proxy = start_proxy(POLICY, **of_upstream)
    assert ask(proxy, Way.SNI, "https://assets.example/whole").body == BODY
    with secure(proxy, Way.SNI, "assets.example") as connection:
        connection.sendall(b"GET /half HTTP/1.1\r\nHost: assets.example\r\n\r\n")
        gate.wait_reached()
        assert connection.recv(1 << 16)
        assert staged(proxy.store) != []
        proxy.kill()
    gate.open()
    again = start_proxy(POLICY, **of_upstream)
    assert staged(again.store) == []
    assert header(ask(again, Way.SNI, "https://assets.example/whole"), "Cache-Status") == "drydock; hit"
    assert ask(again, Way.SNI, "https://assets.example/half").body == BODY
    assert upstream.count("/whole") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every folder; the test image runs the suite as another user")
def test_a_store_that_became_read_only_is_still_served(
    start_proxy: Callable[..., RunningProxy], settings: tuple[Upstream, dict[str, object]]
) -> None:
    """Hits are served, misses pass through, and the journal and /readyz say what is wrong (32)."""
    upstream, of_upstream = settings
    upstream.route("/kept", BODY)
    upstream.route("/passing", BODY)
    proxy = start_proxy(POLICY, **of_upstream)
    ask(proxy, Way.SNI, "https://assets.example/kept")
    proxy.stop()
    folders = [proxy.store, *(folder for folder in proxy.store.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        again = start_proxy(POLICY, **of_upstream)
        assert header(ask(again, Way.SNI, "https://assets.example/kept"), "Cache-Status") == "drydock; hit"
        assert ask(again, Way.SNI, "https://assets.example/passing").body == BODY
        assert ask(again, Way.CONNECT, f"{again.status_url}/readyz", "--noproxy", "*").status == 200
        problems = ask(again, Way.CONNECT, f"{again.status_url}/readyz", "--noproxy", "*").body.decode()
        assert "cannot be written" in problems
        assert any("cannot be written" in line.get("message", "") for line in again.log_lines())
        assert again.stop() == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.skipif(not Path("/small").is_mount(), reason="there is no small disk at /small; the test image brings one")
def test_a_full_disk_is_said_and_the_client_is_served(
    start_proxy: Callable[..., RunningProxy], settings: tuple[Upstream, dict[str, object]], tmp_path: Path
) -> None:
    """A body that does not fit passes through whole, and the journal says that it was not stored (F26)."""
    upstream, of_upstream = settings
    large = BODY * 5
    upstream.route("/large", large)
    upstream.route("/small", BODY[:1000])
    store = Path("/small") / f"store-{os.getpid()}"
    proxy = start_proxy(POLICY, options=["--store", str(store)], **of_upstream)
    assert ask(proxy, Way.SNI, "https://assets.example/large").body == large
    proxy.wait_for_line(lambda line: "not stored" in line.get("message", ""))
    assert ask(proxy, Way.SNI, "https://assets.example/small").body == BODY[:1000]
    assert header(ask(proxy, Way.SNI, "https://assets.example/small"), "Cache-Status") == "drydock; hit"
