"""The upstream client: whom it believes, where it never connects, and what it says when something is in the way."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.mode import Mode
from drydock_cache.routes import ProxyRoutes, Route
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings

from cache.tests.harness import bytes_of, eventually, open_sockets
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream as Internet
from tests.upstream.squid import Company, Squid

BODY = b"body" * 1000
URL = "https://assets.example/a"
LOGIN = ("worker", "hunter2")


@asynccontextmanager
async def client(settings: UpstreamSettings, **changes: object) -> AsyncIterator[Upstream]:
    upstream = Upstream(replace(settings, **changes))  # type: ignore[arg-type]
    try:
        yield upstream
    finally:
        await upstream.aclose()


async def get(upstream: Upstream, url: str = URL) -> tuple[int, bytes]:
    async with upstream.request("GET", url, [("accept", "*/*")]) as response:
        return response.status_code, b"".join([chunk async for chunk in upstream.content(response)])


async def refused(upstream: Upstream, url: str = URL) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await get(upstream, url)
    return caught.value


async def test_verified_tls_brings_the_bytes_and_counts_the_connection(settings: UpstreamSettings, internet: Internet) -> None:
    """Two requests share a connection; nothing is sent but what was given and the host."""
    internet.route("/a", BODY)
    async with client(settings) as upstream:
        assert await get(upstream) == (200, BODY)
        assert await get(upstream) == (200, BODY)
        assert upstream.connections_tried == internet.connections == 1
    assert internet.requests[0].headers == (("host", "assets.example"), ("accept", "*/*"))


async def test_a_certificate_that_is_not_trusted_or_of_another_host_is_refused(
    settings: UpstreamSettings, internet: Internet
) -> None:
    """What a proxy that re-signs TLS looks like: the sentence names the host, the reason and the setting."""
    async with client(settings, ca_files=()) as upstream:
        error = await refused(upstream)
    assert error.failure is UpstreamFailure.TLS
    assert "TLS with assets.example failed" in error.message
    assert "DRYDOCK_CORPORATE_CA" in error.remedy
    async with client(settings, resolve={"wrong.example": ("127.0.0.1", internet.port)}) as upstream:
        assert (await refused(upstream, "https://wrong.example/a")).failure is UpstreamFailure.TLS
    assert internet.requests == []


async def test_tls_with_what_speaks_none_is_an_error_of_tls(settings: UpstreamSettings) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(answer, "127.0.0.1", 0)
    place = plain.sockets[0].getsockname()
    async with plain, client(settings, resolve={"assets.example": place}) as upstream:
        assert (await refused(upstream)).failure is UpstreamFailure.TLS


async def test_a_redirect_is_not_followed_and_a_cookie_not_kept(settings: UpstreamSettings, internet: Internet) -> None:
    internet.route("/a", BODY, "redirect_loop")
    internet.route("/b", BODY, "setcookie")
    async with client(settings) as upstream:
        assert (await get(upstream))[0] == 302
        for _ in range(2):
            await get(upstream, "https://assets.example/b")
    assert all(request.header("cookie") is None for request in internet.requests)


async def test_a_body_is_streamed_upstream(settings: UpstreamSettings, internet: Internet) -> None:
    internet.route("/a", BODY)
    async with client(settings) as upstream:
        headers = [("content-length", "6")]
        async with upstream.request("PUT", URL, headers, bytes_of(b"one", b"two")) as response:
            assert response.status_code == 200
    assert internet.requests[0].body == b"onetwo"


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        ("cl_short", UpstreamFailure.TRUNCATED),
        ("truncate_chunked", UpstreamFailure.TRUNCATED),
        ("reset_mid", UpstreamFailure.TRUNCATED),
        ("dup_cl", UpstreamFailure.PROTOCOL),
        ("nul_header", UpstreamFailure.PROTOCOL),
    ],
)
async def test_what_breaks_is_told_apart(
    settings: UpstreamSettings, internet: Internet, behaviour: str, failure: UpstreamFailure
) -> None:
    internet.route("/a", BODY, behaviour)
    async with client(settings) as upstream:
        error = await refused(upstream)
    assert error.failure is failure
    assert "assets.example" in error.message


async def test_a_port_that_nobody_listens_on_is_said_so(settings: UpstreamSettings, internet: Internet) -> None:
    """F21."""
    internet.stop()
    async with client(settings) as upstream:
        error = await refused(upstream)
    assert (error.failure, error.status) == (UpstreamFailure.UNREACHABLE, 504)
    assert "behind a corporate proxy, set HTTPS_PROXY" in error.remedy


async def test_a_name_that_is_not_found_is_said_so(settings: UpstreamSettings) -> None:
    async with client(settings) as upstream:
        assert (await refused(upstream, "https://nowhere.invalid/")).failure is UpstreamFailure.NAME_NOT_FOUND


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]",
     "localhost"],
)  # fmt: skip
@pytest.mark.parametrize("by", ["request", "tunnel"])
async def test_no_spelling_of_an_address_inside_is_connected_to(
    settings: UpstreamSettings, internet: Internet, host: str, by: str
) -> None:
    """F40: judged on the resolved address, before a packet; not even where private addresses are allowed."""
    async with client(settings, resolve={}, private_hosts=frozenset({host.strip("[]")})) as upstream:
        url = f"https://{host}:{internet.port}/a"
        with pytest.raises(UpstreamError) as caught:
            await (upstream.tunnel(host.strip("[]"), internet.port) if by == "tunnel" else get(upstream, url))
        octal = host.startswith("01") and by == "request"  # which is no URL's host at all
        assert caught.value.failure is (UpstreamFailure.PROTOCOL if octal else UpstreamFailure.FORBIDDEN_ADDRESS)
        assert upstream.connections_tried == 0
    assert internet.connections == 0


async def test_a_private_host_is_connected_to_where_the_policy_names_it(settings: UpstreamSettings) -> None:
    """The refusal says what to write where; with that, the connection is tried."""
    async with client(settings, resolve={}) as upstream:
        error = await refused(upstream, "https://10.255.255.1/")
        assert 'add "10.255.255.1" to private_hosts under [upstream] in drydock.toml' in error.remedy
        assert upstream.connections_tried == 0
    async with client(settings, resolve={}, private_hosts=frozenset({"10.255.255.1"})) as upstream:
        with pytest.raises((UpstreamError, TimeoutError)):
            async with asyncio.timeout(0.3):
                await get(upstream, "https://10.255.255.1/")
        # one, and another where something answers there that is not believed: it is asked who signed its certificate
        assert upstream.connections_tried >= 1


async def test_the_next_address_is_tried_where_the_first_leads_nowhere(
    settings: UpstreamSettings, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with several addresses, the first of which refuses: each try counts as a connection."""
    from drydock_cache import egress

    async def several(_name: str) -> list[str]:
        return ["127.0.0.99", "127.0.0.98", "127.0.0.1"]

    monkeypatch.setattr(egress, "look_up", several)
    internet.route("/a", BODY)
    async with client(settings) as upstream:
        assert await get(upstream) == (200, BODY)
        assert upstream.connections_tried == 3


@pytest.mark.parametrize("by", ["request", "tunnel", "through a proxy"])
async def test_offline_nothing_is_looked_up_and_no_connection_tried(settings: UpstreamSettings, by: str) -> None:
    """Offline means no packet: seen by the interpreter's own audit of what is looked up, opened and connected."""
    seen: list[str] = []
    watching = True

    def watch(event: str, _arguments: object) -> None:
        if watching and event in ("socket.getaddrinfo", "socket.connect", "socket.gethostbyname"):
            seen.append(event)

    sys.addaudithook(watch)
    routes = ProxyRoutes({"https": CorporateProxy("http", "proxy.example", 3128)}) if by == "through a proxy" else ProxyRoutes()
    async with client(settings, mode=Mode.OFFLINE, routes=routes, resolve={}) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await (upstream.tunnel("assets.example", 443) if by == "tunnel" else get(upstream))
        watching = False
        assert caught.value.failure is UpstreamFailure.OFFLINE
        assert upstream.connections_tried == 0
    connects = [event for event in seen if event != "socket.getaddrinfo" or by != "through a proxy"]
    assert connects == []


async def test_a_tunnel_is_left_unread(settings: UpstreamSettings, internet: Internet) -> None:
    """The bytes that come out are those that go in, and the certificate is the host's own."""
    async with client(settings) as upstream:
        stream = await upstream.tunnel("assets.example", 443)
        secured = await stream.start_tls(upstream._trust.current(), "assets.example")
        await secured.write(b"GET /none HTTP/1.1\r\nhost: assets.example\r\n\r\n")
        assert (await secured.read(100)).startswith(b"HTTP/1.1 404")
        await secured.aclose()
    assert internet.connections == 1


async def test_a_cancelled_handshake_closes_its_connection(settings: UpstreamSettings) -> None:
    """A client that leaves while TLS begins leaves no socket behind."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(5)
        async with client(settings, resolve={"assets.example": silent.getsockname()}) as upstream:
            asking = asyncio.create_task(get(upstream))
            connection, _ = await asyncio.to_thread(silent.accept)
            with connection:
                connection.settimeout(5)
                assert await asyncio.to_thread(connection.recv, 5)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                while await asyncio.to_thread(connection.recv, 1 << 16):
                    pass  # ends only when the other side closes


@pytest.mark.parametrize("header", ["x\r\ny: 1", "x\0"])
async def test_a_header_that_would_forge_another_is_not_sent(
    settings: UpstreamSettings, internet: Internet, header: str
) -> None:
    """F45, F46."""
    async with client(settings) as upstream:
        with pytest.raises(UpstreamError, match="cannot be asked like that"):
            async with upstream.request("GET", URL, [("x", header)]):
                pass
    assert internet.requests == []


def company(internet: Internet, **fields: object) -> Company:
    return Company(lead={"assets.example": ("127.0.0.1", internet.port)}, **fields)  # type: ignore[arg-type]


def through(squid: Squid, password: str | None = None, no_proxy: str = "") -> dict[str, object]:
    environment = {"HTTPS_PROXY": squid.url(password), "HTTP_PROXY": squid.url(password), "NO_PROXY": no_proxy}
    return {"routes": ProxyRoutes.from_environment(environment), "resolve": {}}


async def test_a_corporate_proxy_with_a_password_is_passed(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    """Requests and tunnels; the proxy is asked for CONNECT alone, and upstream never sees its password."""
    internet.route("/a", BODY)
    squid = start_squid(company(internet, login=LOGIN))
    async with client(settings, **through(squid)) as upstream:
        assert await get(upstream) == (200, BODY)
        stream = await upstream.tunnel("assets.example", 443)
        secured = await stream.start_tls(upstream._trust.current(), "assets.example")
        await secured.aclose()
    async with asyncio.timeout(20):  # Squid writes its line when a tunnel ends
        while not squid.seen():
            await asyncio.sleep(0.05)
    assert squid.seen()[0].split(" ", 1)[1] == "CONNECT assets.example:443 worker"
    assert all(request.header("proxy-authorization") is None for request in internet.requests)


async def test_a_corporate_proxy_that_re_signs_tls_is_believed_with_its_ca(
    settings: UpstreamSettings,
    internet: Internet,
    start_squid: Callable[[Company], Squid],
    authority_file: Path,
    tmp_path: Path,
) -> None:
    """Only with that CA; the sentence without it says what to give."""
    internet.route("/a", BODY)
    own = Authority.create("Corporate test root")
    squid = start_squid(company(internet, bump=own, trust=authority_file))
    async with client(settings, **through(squid)) as upstream:
        error = await refused(upstream)
        assert "DRYDOCK_CORPORATE_CA" in error.remedy
        assert "signed by CN=Corporate test root" in error.message
    async with client(settings, ca_files=(own.write(tmp_path / "own.pem"),), **through(squid)) as upstream:
        assert await get(upstream) == (200, BODY)


async def test_a_wrong_password_is_tried_once_and_named(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    """F53: 20 at once and more afterwards are one try in 30 s; the sentence names proxy and 407, and no password."""
    squid = start_squid(company(internet, login=LOGIN))
    async with client(settings, **through(squid, "wrongpass")) as upstream:
        errors = await asyncio.gather(*(refused(upstream) for _ in range(20)))
        errors.append(await refused(upstream))
        with pytest.raises(UpstreamError, match="407"):
            await upstream.tunnel("assets.example", 443)
    assert {error.failure for error in errors} == {UpstreamFailure.PROXY_AUTH}
    assert all(f"127.0.0.1:{squid.port} answered 407" in error.message for error in errors)
    assert not any("wrongpass" in str(error) for error in errors)
    assert len(squid.seen()) == 1


async def test_a_right_password_lets_all_through_at_once(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    """Nobody waits for another one's answer once the proxy has let one through."""
    internet.route("/a", BODY, "slow")
    squid = start_squid(company(internet, login=LOGIN))
    async with client(settings, **through(squid)) as upstream, asyncio.timeout(8):
        assert await asyncio.gather(*(get(upstream) for _ in range(10))) == [(200, BODY)] * 10


async def test_a_proxy_that_wants_a_password_and_gets_none_says_so(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    squid = start_squid(company(internet, login=LOGIN))
    routes = ProxyRoutes({"https": CorporateProxy("http", "127.0.0.1", squid.port)})
    async with client(settings, routes=routes, resolve={}) as upstream:
        error = await refused(upstream)
    assert "no user and password were given" in error.message
    assert "set DRYDOCK_PROXY_CREDENTIALS to its path; or into HTTPS_PROXY" in error.remedy


async def test_plain_http_through_a_proxy_is_refused_by_407_too(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    squid = start_squid(company(internet, login=LOGIN))
    async with client(settings, **through(squid, "wrongpass")) as upstream:
        assert (await refused(upstream, "http://assets.example/a")).failure is UpstreamFailure.PROXY_AUTH


async def test_a_host_that_the_proxy_refuses_is_named(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    squid = start_squid(Company(lead={"other.example": ("127.0.0.1", 1)}))
    async with client(settings, **through(squid)) as upstream:
        error = await refused(upstream, "https://other.example/")
        with pytest.raises(UpstreamError) as caught:
            await upstream.tunnel("other.example", 443)
    assert {error.failure, caught.value.failure} == {UpstreamFailure.PROXY_REFUSED}
    assert "refused a connection to other.example: 50" in error.message


async def test_no_proxy_goes_past_the_proxy(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    """So does a host of --resolve, which names its place itself."""
    internet.route("/a", BODY)
    squid = start_squid(company(internet, login=LOGIN))
    async with client(settings, **through(squid, no_proxy="assets.example")) as upstream:
        assert await upstream.hops("https", "assets.example", 443) == (None,)
        assert None not in await upstream.hops("https", "other.example", 443)
    async with client(settings, **{**through(squid), "resolve": settings.resolve}) as upstream:
        assert await get(upstream) == (200, BODY)
    assert squid.seen() == []


async def test_a_proxy_that_is_away_is_named(settings: UpstreamSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    routes = ProxyRoutes({"https": CorporateProxy("http", "127.0.0.1", port, "Basic c2VjcmV0")})
    async with client(settings, routes=routes, resolve={}) as upstream:
        error = await refused(upstream)
    assert f"The corporate proxy http://127.0.0.1:{port} cannot be reached" in error.message
    assert "HTTPS_PROXY and NO_PROXY" in error.remedy


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "[::ffff:a9fe:a9fe]", "10.0.0.1", "127.0.0.1", "169.254.169.254.", "0xa9fea9fe.",
     "localhost", "LocalHost.", "a.localhost", "[::ffff:0:169.254.169.254]", "[fe80::1%25lo]"],
)  # fmt: skip
async def test_a_proxy_is_not_asked_for_an_address_inside(settings: UpstreamSettings, host: str) -> None:
    """F40: a redirect to metadata does not reach it by way of the corporate proxy either."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.2)
        routes = ProxyRoutes(
            {scheme: CorporateProxy("http", "127.0.0.1", proxy.getsockname()[1]) for scheme in ("http", "https")}
        )
        async with client(settings, routes=routes, resolve={}) as upstream:
            for url in (f"http://{host}/latest/meta-data/", f"https://{host}/"):
                assert (await refused(upstream, url)).failure is UpstreamFailure.FORBIDDEN_ADDRESS
            with pytest.raises(UpstreamError, match="does not connect there"):
                await upstream.tunnel(host.strip("[]"), 443)
            assert upstream.connections_tried == 0
        with pytest.raises(TimeoutError):
            proxy.accept()


async def test_no_socket_stays_open_after_the_client_is_closed(settings: UpstreamSettings, internet: Internet) -> None:
    internet.route("/a", BODY)
    before = open_sockets()
    async with client(settings) as upstream:
        async with upstream.request("GET", URL, []):
            pass  # left unread
        await get(upstream)
        assert open_sockets() > before
    await eventually(lambda: open_sockets() <= before)  # the other ends are this process's, too


def route(pattern: str, *hops: str) -> ProxyRoutes:
    return ProxyRoutes(table=(Route.parse(pattern, list(hops), "drydock.toml"),))


@asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """A port that refuses connections, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.parametrize("by", ["request", "tunnel"])
async def test_the_next_hop_is_taken_where_a_proxy_is_away(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid], by: str
) -> None:
    """Once it was found away, the others go first, so the second request costs no failed try."""
    internet.route("/a", BODY)
    squid = start_squid(company(internet))
    async with closed_port() as port:
        routes = route("*", f"http://127.0.0.1:{port}", squid.url(), "direct")
        async with client(settings, routes=routes, resolve={}) as upstream:
            for tries in (2, 3):
                if by == "request":
                    async with upstream.request("GET", URL, [("connection", "close")]) as response:
                        assert response.status_code == 200
                else:
                    await (await upstream.tunnel("assets.example", 443)).aclose()
                assert upstream.connections_tried == tries


@pytest.mark.parametrize("by", ["request", "tunnel"])
async def test_where_all_proxies_are_away_the_last_one_is_named(settings: UpstreamSettings, by: str) -> None:
    async with closed_port() as one, closed_port() as two:
        routes = route("*", f"http://127.0.0.1:{one}", f"http://127.0.0.1:{two}")
        async with client(settings, routes=routes, resolve={}) as upstream:
            with pytest.raises(UpstreamError, match=f"127.0.0.1:{two} cannot be reached") as caught:
                await (upstream.tunnel("assets.example", 443) if by == "tunnel" else get(upstream))
    assert caught.value.failure is UpstreamFailure.UNREACHABLE


async def test_a_refused_password_is_not_carried_to_the_next_proxy(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid], tmp_path: Path
) -> None:
    """F53: two proxies that ask one directory are one account; 407 is an answer, and no reason to go elsewhere."""
    one, two = (start_squid(company(internet, login=LOGIN)) for _ in range(2))
    secret = tmp_path / "login"
    secret.write_text("worker:wrongpass\n")
    routes = route("*", *(f"http://127.0.0.1:{squid.port}" for squid in (one, two)))
    async with client(settings, routes=routes, resolve={}, credentials=secret) as upstream:
        errors = await asyncio.gather(*(refused(upstream) for _ in range(10)))
        other = route("*", f"http://127.0.0.1:{two.port}")
        upstream._ways._routes = other
        errors.append(await refused(upstream))
        assert {error.failure for error in errors} == {UpstreamFailure.PROXY_AUTH}
        assert len(one.seen()) + len(two.seen()) == 1
        assert f"right user and password into {secret}" in errors[0].remedy
        # a corrected file is another account: it is used at once, without a restart
        secret.write_text("worker:hunter2\n")
        internet.route("/a", BODY)
        assert await get(upstream) == (200, BODY)
    assert not any("wrongpass" in str(error) for error in errors)


async def test_a_password_that_expires_is_tried_once(
    settings: UpstreamSettings,
    internet: Internet,
    start_squid: Callable[[Company], Squid],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F53: it was right, and some time later is not: of 20 at once, one asks; the others are spared."""
    from drydock_cache import proxy_account

    internet.route("/a", BODY)
    squid = start_squid(company(internet, login=LOGIN))
    async with client(settings, **through(squid)) as upstream:
        await (await upstream.tunnel("assets.example", 443)).aclose()
        squid.change_password("another")
        monkeypatch.setattr(proxy_account, "_ACCEPTED_SECONDS", 0.0)
        await asyncio.sleep(1.5)  # so long Squid takes the old one
        tunnels = [upstream.tunnel("assets.example", 443) for _ in range(20)]
        results = await asyncio.gather(*tunnels, return_exceptions=True)
    assert {getattr(one, "failure", one) for one in results} == {UpstreamFailure.PROXY_AUTH}
    assert len([line for line in squid.seen() if "407" in line]) == 1


async def test_changed_ca_files_count_for_the_next_connection(
    settings: UpstreamSettings, internet: Internet, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused is believed once its CA stands in the file; connections of before are not used any more."""
    from drydock_cache import trust

    monkeypatch.setattr(trust, "_LOOK_SECONDS", 0.0)
    internet.route("/a", BODY)
    path = Authority.create("Another root").write(tmp_path / "company.pem")
    async with client(settings, ca_files=(path,)) as upstream:
        assert (await refused(upstream)).failure is UpstreamFailure.TLS
        authority.write(path)
        assert await get(upstream) == (200, BODY)
        assert await get(upstream) == (200, BODY)
        Authority.create("Another root").write(path)
        assert (await refused(upstream)).failure is UpstreamFailure.TLS


@asynccontextmanager
async def pac_server(script: str, status: str = "200 OK") -> AsyncIterator[str]:
    """A plain web server on loopback with one script; yields its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(script)}\r\nConnection: close\r\n\r\n{script}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/proxy.pac"


async def test_a_pac_script_by_url_is_fetched_directly_and_followed(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    """Its host may have any address, since it was named for this; a proxy that it names and that is away is passed over."""
    internet.route("/a", BODY)
    squid = start_squid(company(internet))
    script = f'function FindProxyForURL() {{ return "PROXY 127.0.0.1:1; PROXY 127.0.0.1:{squid.port}"; }}'
    async with pac_server(script) as url, client(settings, routes=ProxyRoutes(pac=url), resolve={}) as upstream:
        assert await get(upstream) == (200, BODY)
        await (await upstream.tunnel("assets.example", 443)).aclose()
    assert internet.count("/a") == 1


async def test_while_a_pac_script_is_away_the_variables_count(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    """Without them the error names the script and why it could not be had; nothing is tried directly."""
    internet.route("/a", BODY)
    squid = start_squid(company(internet))
    async with pac_server("<html>", "404 Not Found") as url:
        routes = ProxyRoutes.from_environment({"HTTPS_PROXY": squid.url()}, pac=url)
        async with client(settings, routes=routes, resolve={}) as upstream:
            assert await get(upstream) == (200, BODY)
        async with client(settings, routes=ProxyRoutes(pac=url), resolve={}) as upstream:
            error = await refused(upstream)
            assert (error.failure, error.status) == (UpstreamFailure.PAC, 502)
            assert f"The PAC script {url} cannot be fetched: the answer was 404" in error.message
            assert upstream.connections_tried == 1


@pytest.mark.parametrize(("named", "authorized"), [("", False), ("127.0.0.1=", True)])
async def test_a_script_from_an_open_network_gets_only_what_is_meant_for_its_proxy(
    settings: UpstreamSettings, tmp_path: Path, named: str, authorized: bool
) -> None:
    """Over plain HTTP anybody can name a proxy of his own: the password goes only to a host that stands beside it."""
    secret = tmp_path / "login"
    secret.write_text(f"# of the company\n{named}worker:hunter2\n")
    async with (
        pac_server('function FindProxyForURL() { return "PROXY 127.0.0.1:1"; }') as url,
        client(settings, routes=ProxyRoutes(pac=url), resolve={}, credentials=secret) as upstream,
    ):
        (hop,) = await upstream.hops("https", "assets.example", 443)
    assert hop is not None
    assert bool(hop.authorization) == authorized
