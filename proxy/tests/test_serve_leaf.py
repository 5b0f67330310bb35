"""Real TLS handshakes: clients trust the leaves that mitmproxy serves, and hold the CA to its constraints."""

import drydock_proxy.lean_imports  # noqa: F401, I001 - before mitmproxy

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from drydock_proxy import keyfile
from drydock_proxy.addons.serve_leaf import ServeLeaf
from drydock_proxy.authority import Authority, read
from drydock_proxy.certificates import leaf_certificate, new_key
from mitmproxy import http, options
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master

HOST = "bundles.example.net"
OUTSIDE = "evil.example"
DAY = 24 * 3600.0


class Answer:
    """Answers every request that was decrypted, so that no upstream is needed."""

    def request(self, flow: http.HTTPFlow) -> None:
        flow.response = http.Response.make(200, f"served {flow.request.path}")


@dataclass
class Clock:
    """A clock that tests set."""

    now: float

    def __call__(self) -> float:
        return self.now


BY_SNI = "reverse:https://refused.invalid:443"
BY_CONNECT = "regular"


@asynccontextmanager
async def running(authority: Authority, mode: str = BY_SNI, clock: Callable[[], float] = time.time) -> AsyncIterator[int]:
    """Run mitmproxy with the addon, listening in this mode; give its port."""
    master = Master(options.Options())
    server = Proxyserver()
    master.addons.add(server, NextLayer(), ServeLeaf(authority, clock), Answer())
    master.options.update(mode=[f"{mode}@127.0.0.1:0"], connection_strategy="lazy")
    task = asyncio.create_task(master.run())
    try:
        async with asyncio.timeout(20):
            while not (ports := [int(address[1]) for address in server.listen_addrs()]):
                assert not task.done(), task
                await asyncio.sleep(0.01)
        yield ports[0]
    finally:
        await server.servers.update([])
        master.shutdown()
        await task


@contextmanager
def plain_server(certificate_and_key: Path) -> Iterator[int]:
    """Serve one fixed certificate without mitmproxy, as somebody would who stole the CA's key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_and_key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                try:
                    with client, context.wrap_socket(client, server_side=True) as stream:
                        stream.recv(4096)
                        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserved")
                        stream.unwrap()
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def python(port: int, host: str, ca: Path) -> str:
    """Fetch with Python's ssl module in its strict default; return what came or the error's text."""
    context = ssl.create_default_context(cafile=str(ca))
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname=host) as stream,
        ):
            stream.sendall(f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: stream.recv(4096), b"")).decode()
    except OSError as error:
        return f"refused: {error}"


def _run(command: list[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else f"refused: {done.stdout}{done.stderr}"


def curl(port: int, host: str, ca: Path) -> str:
    """Fetch with curl."""
    resolve = ["--resolve", f"{host}:{port}:127.0.0.1"]
    return _run(["curl", "-sS", "--noproxy", "*", "--cacert", str(ca), *resolve, f"https://{host}:{port}/x"])


def openssl(port: int, host: str, ca: Path) -> str:
    """Fetch with openssl s_client, which counts a connection closed without farewell as an error after the answer."""
    checks = ["-verify_return_error", "-verify_hostname", host, "-servername", host, "-CAfile", str(ca), "-quiet"]
    request = f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    said = _run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *checks], request)
    served = re.search("served( /x)?", said)
    return served[0] if served else said


def node(port: int, host: str, ca: Path) -> str:
    """Fetch with Node's https module."""
    script = (
        "const [port, servername, ca] = process.argv.slice(1);"
        "require('https').get({host: '127.0.0.1', port, servername, path: '/x', agent: false,"
        " headers: {host: servername}, ca: require('fs').readFileSync(ca)},"
        " response => response.pipe(process.stdout)).on('error', error => { console.log(error.code); process.exitCode = 1 })"
    )
    return _run(["node", "-e", script, str(port), host, str(ca)])


CLIENTS = [
    python,
    *(
        pytest.param(client, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"there is no {name} here"))
        for client, name in ((curl, "curl"), (openssl, "openssl"), (node, "node"))
    ),
]
Client = Callable[[int, str, Path], str]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "state", [HOST, ".wild.example.org"], time.time())


@pytest.fixture
def ca(authority: Authority, tmp_path: Path) -> Path:
    return tmp_path / "state" / "ca.pem"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("host", [HOST, "deep.below.wild.example.org"])
async def test_clients_trust_the_leaf_for_an_intercepted_host(
    client: Client, host: str, authority: Authority, ca: Path
) -> None:
    """With the CA's certificate alone, each client completes the handshake and gets the answer."""
    async with running(authority) as port:
        assert (await asyncio.to_thread(client, port, host, ca)).endswith("served /x")


async def test_a_connect_request_gets_the_leaf_for_its_host(authority: Authority, ca: Path) -> None:
    """Behind CONNECT the proxy serves the same leaf, also to a client that sends no SNI."""

    def fetch(port: int, *, sni: bool) -> bytes:
        context = ssl.create_default_context(cafile=str(ca))
        context.check_hostname = sni
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            with context.wrap_socket(connection, server_hostname=HOST if sni else None) as stream:
                return stream.getpeercert(binary_form=True) or b""

    async with running(authority, BY_CONNECT) as port:
        with_sni = await asyncio.to_thread(fetch, port, sni=True)
        assert with_sni == await asyncio.to_thread(fetch, port, sni=False)


@pytest.mark.parametrize("name", [OUTSIDE, "sub." + HOST, "wild.example.org", None])
async def test_a_host_outside_the_policy_gets_no_certificate_at_all(
    name: str | None, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection is closed before any certificate is sent, even to a client that trusts everything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def handshake(port: int) -> None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname=name),
        ):
            pass

    async with running(authority) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(handshake, port)
    assert f"No certificate is made for {name or 'refused.invalid'}" in caplog.text


async def test_protocols_below_tls_12_and_above_http_11_are_not_spoken(authority: Authority, ca: Path) -> None:
    """HTTP/1.1 is chosen before h2, a client of h2 alone gets no protocol name, and TLS 1.1 is refused."""

    def negotiated(port: int, alpn: list[str], highest: ssl.TLSVersion) -> tuple[str | None, str | None]:
        context = ssl.create_default_context(cafile=str(ca))
        context.set_alpn_protocols(alpn)
        context.maximum_version = highest
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname=HOST) as stream,
        ):
            return stream.version(), stream.selected_alpn_protocol()

    async with running(authority) as port:
        both = ["h2", "http/1.1"]
        assert await asyncio.to_thread(negotiated, port, both, ssl.TLSVersion.TLSv1_3) == ("TLSv1.3", "http/1.1")
        assert await asyncio.to_thread(negotiated, port, both, ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", "http/1.1")
        assert await asyncio.to_thread(negotiated, port, ["h2"], ssl.TLSVersion.TLSv1_3) == ("TLSv1.3", None)
        if openssl_can_speak_tls11():
            version = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", HOST, "-tls1_1"]
            said = await asyncio.to_thread(_run, [*version, "-cipher", "ALL:@SECLEVEL=0"])
            assert said.startswith("refused")
            assert "no peer certificate available" in said


def openssl_can_speak_tls11() -> bool:
    """Tell whether there is an openssl command that still has TLS 1.1."""
    return shutil.which("openssl") is not None and not _run(["openssl", "ciphers", "-tls1_1"]).startswith("refused")


async def test_a_session_is_resumed(authority: Authority, ca: Path) -> None:
    """A client that comes back skips the certificate, because the host's context lives on."""
    context = ssl.create_default_context(cafile=str(ca))

    def connect(port: int, session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname=HOST, session=session) as stream,
        ):
            stream.sendall(f"GET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            # to the first bytes, not to the end: an end without close_notify makes OpenSSL give the session up
            assert stream.recv(4096)
            return stream.session, stream.session_reused

    async with running(authority) as port:
        session, reused = await asyncio.to_thread(connect, port, None)
        assert reused is False
        assert (await asyncio.to_thread(connect, port, session))[1] is True


async def test_an_old_leaf_is_replaced_while_serving(tmp_path: Path) -> None:
    """Past two thirds of a leaf's life the next handshake gets a younger one, without a restart."""

    def expiry(port: int) -> float:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname=HOST) as stream,
        ):
            certificate = stream.getpeercert()
            assert certificate is not None
            return float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))

    clock = Clock(time.time() - 45 * DAY)
    authority = Authority.open(tmp_path, [HOST], clock.now)
    async with running(authority, clock=clock) as port:
        first = await asyncio.to_thread(expiry, port)
        clock.now += 30 * DAY
        assert await asyncio.to_thread(expiry, port) == first
        clock.now += 11 * DAY
        assert await asyncio.to_thread(expiry, port) > first


def forged(host: str, directory: Path) -> Path:
    """Sign a leaf for any host with the key of an intermediate, past everything that the authority checks."""
    signer = read(directory).signer(time.time())
    assert signer
    key = new_key()
    path = directory / "forged.pem"
    certificate = leaf_certificate(host, key.public_key(), signer.certificate, signer.key, time.time())
    path.write_bytes(b"".join([keyfile.key_pem(key), *map(keyfile.certificate_pem, (certificate, signer.certificate))]))
    return path


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.fault("39")
def test_clients_refuse_a_leaf_outside_the_constraints(client: Client, authority: Authority, ca: Path, tmp_path: Path) -> None:
    """Whoever stole the CA's key can use it for the policy's hosts alone; the same forgery for one of those is accepted."""
    with plain_server(forged(HOST, tmp_path / "state")) as port:
        assert client(port, HOST, ca).endswith("served")
    with plain_server(forged(OUTSIDE, tmp_path / "state")) as port:
        assert client(port, OUTSIDE, ca).startswith("refused")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.fault("39")
def test_clients_refuse_a_leaf_for_an_address(client: Client, authority: Authority, ca: Path, tmp_path: Path) -> None:
    """The CA cannot speak for IP addresses, which the policy does not list."""
    with plain_server(forged("127.0.0.1", tmp_path / "state")) as port:
        assert client(port, "127.0.0.1", ca).startswith("refused")
