"""Corporate proxies as they are found: small ones, strict ones, impatient ones, and one that is down."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy, plain_environment
from tests.integration.ways import Way, ask, plain, reply, secure
from tests.upstream.scripted import Upstream
from tests.upstream.squid import Company, Squid
from tests.upstream.tinyproxy import SmallCompany, Tinyproxy
from tests.upstream.unanswering import unanswering

pytestmark = pytest.mark.skipif(
    shutil.which("squid") is None or shutil.which("tinyproxy") is None,
    reason="Squid and tinyproxy are not installed; the test image brings them",
)

POLICY = 'pin = ["assets.example"]\ntunnel = ["tunnel.example", "tunnel.example:8443"]\n'
BODY = bytes(range(256)) * 1000
LOGIN = ("worker", "open-sesame")


@pytest.fixture
def outside(start_upstream: Callable[..., Upstream]) -> Upstream:
    """The world beyond the corporate proxy."""
    upstream = start_upstream("assets.example", "tunnel.example")
    for path in ("/file", "/other"):
        upstream.route(path, BODY)
    return upstream


@pytest.fixture
def start_tinyproxy(outside: Upstream, tmp_path: Path) -> Iterator[Callable[..., Tinyproxy]]:
    """Starts a tinyproxy that leads to the world outside; it ends with the test."""
    with ExitStack() as stack:

        def start(**settings: object) -> Tinyproxy:
            directory = tmp_path / "tinyproxy"
            directory.mkdir()
            company = SmallCompany(lead=_lead(outside), **settings)  # type: ignore[arg-type]
            return stack.enter_context(Tinyproxy(directory, company))

        yield start


@pytest.fixture
def behind(start_proxy: Callable[..., RunningProxy], authority_file: Path, tmp_path: Path) -> Callable[..., RunningProxy]:
    """Starts drydock with that proxy as its only way out."""

    def start(url: str, policy: str = POLICY) -> RunningProxy:
        environment = plain_environment(tmp_path) | ({"HTTPS_PROXY": url} if url else {})
        return start_proxy(policy, upstream_ca=authority_file, environment=environment)

    return start


def _lead(outside: Upstream) -> dict[str, tuple[str, int]]:
    return dict.fromkeys(outside.names, ("127.0.0.1", outside.port))


@pytest.mark.parametrize("login", [None, LOGIN], ids=["open", "basic"])
def test_tinyproxy_is_fetched_and_tunnelled_through(
    outside: Upstream,
    start_tinyproxy: Callable[..., Tinyproxy],
    behind: Callable[..., RunningProxy],
    authority_file: Path,
    login: tuple[str, str] | None,
) -> None:
    """Cold once, then warm, by both ways in, with Basic and without; a tunnelled host's certificate is its own."""
    company = start_tinyproxy(login=login)
    proxy = behind(company.url())
    for way in Way:
        assert ask(proxy, way, "https://assets.example/file").body == BODY
        with secure(proxy, way, "tunnel.example", ca=authority_file) as connection:
            connection.sendall(b"GET /other HTTP/1.1\r\nHost: tunnel.example\r\n\r\n")
            assert reply(connection).body == BODY
    assert outside.count("/file") == 1
    assert (company.asked("assets.example:443"), company.asked("tunnel.example:443")) == (1, 2)
    assert LOGIN[1] not in proxy.output()


def test_tinyproxys_refusal_of_a_password_is_known_for_one(
    start_tinyproxy: Callable[..., Tinyproxy], behind: Callable[..., RunningProxy]
) -> None:
    """It answers 401, where others answer 407, and is asked once."""
    company = start_tinyproxy(login=LOGIN)
    proxy = behind(company.url("not-the-word"))
    for way in (*Way, *Way):
        answer = ask(proxy, way, "https://assets.example/file")
        assert (answer.status, json.loads(answer.body)["error"]) == (502, "proxy-authentication")
    assert company.asked("assets.example:443") == 1
    assert "not-the-word" not in proxy.output()


@pytest.mark.parametrize("software", ["squid", "tinyproxy"])
def test_where_connect_leads_to_443_alone_everything_on_443_works_and_other_ports_are_said(
    outside: Upstream,
    start_squid: Callable[[Company], Squid],
    start_tinyproxy: Callable[..., Tinyproxy],
    behind: Callable[..., RunningProxy],
    authority_file: Path,
    software: str,
) -> None:
    """Assets and tunnels pass; a tunnel to :8443 is refused by name, with what to ask for."""
    company = start_squid(Company(only=(443,), lead=_lead(outside))) if software == "squid" else start_tinyproxy(only=(443,))
    proxy = behind(company.url())
    assert ask(proxy, Way.CONNECT, "https://assets.example/file").body == BODY
    with secure(proxy, Way.SNI, "tunnel.example", ca=authority_file) as connection:
        connection.sendall(b"GET /other HTTP/1.1\r\nHost: tunnel.example\r\n\r\n")
        assert reply(connection).body == BODY
    refused = plain(proxy.proxy_address, b"CONNECT tunnel.example:8443 HTTP/1.1\r\nHost: tunnel.example:8443\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 502 ")
    told = json.loads(refused.partition(b"\r\n\r\n")[2])
    assert told["error"] == "proxy-refused"
    assert "tunnel.example:8443: 403" in told["reason"]
    assert "allowed" in told["mend"]


def test_a_connection_that_it_closed_for_being_idle_is_replaced(
    outside: Upstream, start_squid: Callable[[Company], Squid], behind: Callable[..., RunningProxy]
) -> None:
    """drydock keeps connections open; one that the proxy closed after five quiet seconds costs a new one, and no error."""
    company = start_squid(Company(idle_seconds=5, lead=_lead(outside)))
    proxy = behind(company.url())
    assert ask(proxy, Way.CONNECT, "https://assets.example/file").body == BODY
    deadline = time.monotonic() + 15
    while not any("CONNECT assets.example:443" in line for line in company.seen()):  # which it writes when it closes
        assert time.monotonic() < deadline, company.output()
        time.sleep(0.05)
    for way in Way:
        assert ask(proxy, way, "https://assets.example/other").body == BODY
    assert outside.count("/other") == 1


def test_one_that_is_down_is_named_and_what_is_stored_is_served(
    outside: Upstream, start_tinyproxy: Callable[..., Tinyproxy], behind: Callable[..., RunningProxy]
) -> None:
    """A proxy that refuses connections: hits by both ways in, and a miss that says who is not there."""
    company = start_tinyproxy()
    proxy = behind(company.url())
    assert ask(proxy, Way.CONNECT, "https://assets.example/file").body == BODY
    company.stop()
    for way in Way:
        assert ask(proxy, way, "https://assets.example/file").body == BODY
        told = json.loads(ask(proxy, way, "https://assets.example/other").body)
        assert told["error"] == "unreachable"
        assert f"The corporate proxy http://127.0.0.1:{company.port} cannot be reached" in told["reason"]


def test_one_that_swallows_everything_is_passed_over_for_the_next(
    outside: Upstream, start_tinyproxy: Callable[..., Tinyproxy], behind: Callable[..., RunningProxy]
) -> None:
    """A proxy that lets connections run into nothing costs its three seconds once; then the next one goes first."""
    company = start_tinyproxy()
    with unanswering() as port:
        hops = f'["http://127.0.0.1:{port}", "{company.url()}"]'
        proxy = behind("", f'{POLICY}[upstream.routes]\n"assets.example" = {hops}\n')
        assert ask(proxy, Way.CONNECT, "https://assets.example/file").body == BODY
        started = time.monotonic()
        assert ask(proxy, Way.CONNECT, "https://assets.example/other").body == BODY
        assert time.monotonic() - started < 2
    assert outside.count("/file") == outside.count("/other") == 1
