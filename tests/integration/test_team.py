"""One proxy for many machines: whom it serves, whom it does not, and who may give it commands (F41)."""

import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy, plain_environment
from tests.upstream.curl import curl
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\n'
TOKEN = "0123456789abcdef0123456789abcdef"


def own_address() -> str:
    """Return an address of this machine that is not loopback: what connects from it is another machine to the proxy."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: the kernel only chooses the address that it would send from
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


@pytest.fixture
def everywhere(start_proxy: Callable[..., RunningProxy]) -> Callable[..., RunningProxy]:
    """Starts a proxy that listens on every address of this machine."""

    def start(*options: str) -> RunningProxy:
        listeners = ("--listen", "0.0.0.0:0", "--tls-listen", "0.0.0.0:0", "--status-listen", "0.0.0.0:0")
        return start_proxy(POLICY, dns_answer="10.1.2.3", options=[*listeners, "--dns-listen", "0.0.0.0:0", *options])

    return start


def status(proxy: RunningProxy, host: str, method: str = "GET", path: str = "/healthz", **headers: str) -> tuple[int, bytes]:
    """Ask the status port at an address of this machine; the client's own address is the same one then."""
    port = int(proxy.status_url.rpartition(":")[2])
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ends_at_once(address: tuple[str, int], data: bytes) -> bool:
    """Say whether a connection is closed without a byte."""
    with socket.create_connection(address, timeout=5) as connection:
        try:
            connection.sendall(data)
            return connection.recv(100) == b""
        except ConnectionError:
            return True


def name_is_answered(address: tuple[str, int]) -> bool:
    """Ask for assets.example and say whether an answer comes."""
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06assets\x07example\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.sendto(question, address)
        try:
            return client.recv(512)[:2] == b"\x12\x34"
        except TimeoutError:
            return False


CONNECT = b"CONNECT assets.example:443 HTTP/1.1\r\nHost: assets.example:443\r\n\r\n"


@pytest.mark.fault("41", path="miss", ways="sni connect")
def test_a_client_of_another_network_gets_nothing_on_any_port(everywhere: Callable[..., RunningProxy]) -> None:
    """Closed at once on the proxy's ports, no name answered, 403 with the reason at the status port; loopback is served still."""
    own = own_address()
    proxy = everywhere("--allow-client", "203.0.113.0/24")
    for host, served in (("127.0.0.1", True), (own, False)):
        assert ends_at_once((host, proxy.proxy_address[1]), CONNECT) is not served
        assert name_is_answered((host, proxy.dns_address[1])) is served
        assert status(proxy, host)[0] == (200 if served else 403)
    assert ends_at_once((own, proxy.tls_address[1]), b"\x16\x03\x01")
    told = json.loads(status(proxy, own)[1])
    assert told["mend"] == f"Start the proxy with --allow-client {own}"
    refused = proxy.wait_for_line(lambda line: line.get("event") == "refused")
    assert refused["client"] == own
    for path in ("/ca.pem", "/stats", "/rehearsal", "/"):
        assert status(proxy, own, path=path)[0] == 403


def test_a_client_of_a_named_network_is_served(everywhere: Callable[..., RunningProxy]) -> None:
    """A single address is a network, too."""
    own = own_address()
    proxy = everywhere("--allow-client", own)
    assert not ends_at_once((own, proxy.proxy_address[1]), CONNECT)
    assert name_is_answered((own, proxy.dns_address[1]))
    assert status(proxy, own, path="/ca.pem")[1] == proxy.ca.read_bytes()


def test_reading_is_open_and_commands_need_the_token(everywhere: Callable[..., RunningProxy], tmp_path: Path) -> None:
    """From another machine and from its own; the token is in no log and in no list of processes."""
    own = own_address()
    (tmp_path / "token").write_text(TOKEN)
    proxy = everywhere("--allow-client", own, "--token-file", str(tmp_path / "token"))
    command = {"method": "POST", "Content_Type": "application/json"}
    for host in (own, "127.0.0.1"):
        assert status(proxy, host, path="/rehearsal")[0] == 200
        assert status(proxy, host, path="/rehearsal/begin", **command)[0] == 403
        assert status(proxy, host, path="/rehearsal/begin", Authorization=f"Bearer {TOKEN[:-1]}", **command)[0] == 403
        begun = status(proxy, host, path="/rehearsal/begin", Authorization=f"Bearer {TOKEN}", **command)
        assert begun[0] == 200
        assert status(proxy, host, path="/rehearsal/begin", Authorization=f"Bearer {TOKEN}", **command)[0] == 409
        ended = status(proxy, host, path="/rehearsal/end", Authorization=f"Bearer {TOKEN}", **command)
        assert (ended[0], json.loads(ended[1])["misses"]) == (200, 0)
        assert status(proxy, host, path="/rehearsal/end", Authorization=f"Bearer {TOKEN}", **command)[0] == 409
    assert TOKEN not in proxy.output()
    assert TOKEN not in Path(f"/proc/{proxy.pid}/cmdline").read_text()


def test_without_a_token_only_its_own_machine_gives_commands(everywhere: Callable[..., RunningProxy]) -> None:
    """And no page in a browser there: what a form of another site can send is refused."""
    own = own_address()
    proxy = everywhere("--allow-client", own)
    command = {"method": "POST", "path": "/rehearsal/begin", "Content_Type": "application/json"}
    assert status(proxy, own, **command)[0] == 403
    assert status(proxy, "127.0.0.1", Origin="http://evil.example", **command)[0] == 403
    assert status(proxy, "127.0.0.1", "POST", "/rehearsal/begin", Content_Type="text/plain")[0] == 403
    assert status(proxy, "127.0.0.1", **command)[0] == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--allow-client", "corp"), "--allow-client 'corp' is no network"),
        (("--token-file", "none"), "The token file none cannot be read"),
    ],
)
def test_a_wrong_setting_keeps_the_proxy_from_starting(
    everywhere: Callable[..., RunningProxy], options: tuple[str, ...], said: str
) -> None:
    """One sentence, before a port is open."""
    with pytest.raises(RuntimeError, match=said):
        everywhere(*options)


def test_the_miss_of_another_machine_is_listed_with_its_address(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], tmp_path: Path
) -> None:
    """Who asked is the machine, not the proxy."""
    own = own_address()
    upstream = start_upstream("assets.example")
    upstream.route("/a", b"bytes")
    ca = upstream.write_ca(tmp_path / "internet.pem")
    options = ["--listen", "0.0.0.0:0", "--allow-client", own]
    proxy = start_proxy(POLICY, mode="rehearsal", resolve=upstream.resolve, upstream_ca=ca, options=options)
    fetched = curl(
        tmp_path, "--proxy", f"http://{own}:{proxy.proxy_address[1]}", "--cacert", str(proxy.ca), "https://assets.example/a"
    )
    assert fetched.body == b"bytes"
    told = json.loads(status(proxy, "127.0.0.1", path="/rehearsal")[1])
    assert (told["mode"], told["hits"], told["misses"]) == ("rehearsal", 0, 1)
    (miss,) = told["missed"]
    assert (miss["client"], miss["url"], miss["agent"].partition("/")[0]) == (own, "https://assets.example/a", "curl")


def test_networks_come_from_the_environment_as_well(start_proxy: Callable[..., RunningProxy], tmp_path: Path) -> None:
    """Separated by spaces, as the compose file for teams sets them."""
    own = own_address()
    environment = plain_environment(tmp_path) | {"DRYDOCK_ALLOW_CLIENTS": f"203.0.113.0/24 {own}/32"}
    proxy = start_proxy(POLICY, options=["--status-listen", "0.0.0.0:0"], environment=environment)
    assert status(proxy, own)[0] == 200
