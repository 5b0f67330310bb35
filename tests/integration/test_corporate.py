"""Behind a real Squid: a password, TLS that is signed anew, tunnels that are not, and no secret in any log."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy, drydock, plain_environment
from tests.integration.ways import Way, ask, plain, reply, secure
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream
from tests.upstream.squid import Company, Squid

pytestmark = pytest.mark.skipif(shutil.which("squid") is None, reason="Squid is not installed; the test image brings it")

POLICY = 'pin = ["assets.example"]\ntunnel = ["tunnel.example"]\n'
BODY = bytes(range(256)) * 1000
LOGIN = ("worker", "open-sesame")


@pytest.fixture
def outside(start_upstream: Callable[..., Upstream]) -> Upstream:
    """The world beyond the corporate proxy."""
    upstream = start_upstream("assets.example", "tunnel.example")
    upstream.route("/file", BODY)
    return upstream


def company(outside: Upstream, **settings: object) -> Company:
    """A corporate proxy that leads to the world outside."""
    lead = dict.fromkeys(outside.names, ("127.0.0.1", outside.port))
    return Company(login=LOGIN, lead=lead, **settings)  # type: ignore[arg-type]


def behind(tmp_path: Path, url: str) -> dict[str, str]:
    """The environment of a proxy that has only the corporate proxy as its way out."""
    return plain_environment(tmp_path) | {"HTTPS_PROXY": url, "NO_PROXY": "localhost"}


def _seen(squid: Squid) -> list[str]:
    return [line.split(" ", 1)[1] for line in squid.seen()]


def no_secret_in(proxy: RunningProxy, *secrets: str) -> None:
    """See that no credential was written to the journal or to the terminal."""
    for secret in (*secrets, "Basic "):
        assert secret not in proxy.output()


def test_with_a_password_fetches_and_tunnels_go_through_it(
    outside: Upstream,
    start_squid: Callable[[Company], Squid],
    start_proxy: Callable[..., RunningProxy],
    authority_file: Path,
    tmp_path: Path,
) -> None:
    """An asset is fetched through it, and a tunnelled host's certificate is still its own, by both ways in."""
    squid = start_squid(company(outside))
    proxy = start_proxy(POLICY, upstream_ca=authority_file, environment=behind(tmp_path, squid.url()))
    for way in Way:
        assert ask(proxy, way, "https://assets.example/file").body == BODY
        with secure(proxy, way, "tunnel.example", ca=authority_file) as connection:
            certificate = connection.getpeercert()
            connection.sendall(b"GET /file HTTP/1.1\r\nHost: tunnel.example\r\n\r\n")
            assert reply(connection).body == BODY
        assert certificate is not None
        assert (("commonName", "Internet test root"),) in certificate["issuer"]
    # Squid writes its line when a connection ends
    deadline = time.monotonic() + 5
    while (tunnels := _seen(squid).count("CONNECT tunnel.example:443 worker")) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert tunnels == 2
    proxy.stop()
    while "CONNECT assets.example:443 worker" not in _seen(squid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _seen(squid).count("CONNECT assets.example:443 worker") == 1
    no_secret_in(proxy, LOGIN[1])


def test_tls_that_it_signs_anew_is_believed_with_its_ca(
    outside: Upstream,
    start_squid: Callable[[Company], Squid],
    start_proxy: Callable[..., RunningProxy],
    authority_file: Path,
    tmp_path: Path,
) -> None:
    """With the company's CA given a download works, by both ways in and with one request."""
    own = Authority.create("Corporate test root")
    squid = start_squid(company(outside, bump=own, trust=authority_file))
    ca = own.write(tmp_path / "corporate.pem")
    proxy = start_proxy(POLICY, upstream_ca=ca, environment=behind(tmp_path, squid.url()))
    for way in Way:
        assert ask(proxy, way, "https://assets.example/file").body == BODY
    assert outside.count("/file") == 1
    no_secret_in(proxy, LOGIN[1])


@pytest.mark.fault("53", path="miss", ways="sni connect")
def test_a_wrong_password_is_named_and_not_tried_again_and_again(
    outside: Upstream,
    start_squid: Callable[[Company], Squid],
    start_proxy: Callable[..., RunningProxy],
    authority_file: Path,
    tmp_path: Path,
) -> None:
    """502 names the corporate proxy and 407, for fetches and tunnels; the account is spared; no log has the password (53)."""
    squid = start_squid(company(outside))
    proxy = start_proxy(POLICY, upstream_ca=authority_file, environment=behind(tmp_path, squid.url("not-the-word")))
    for way in (*Way, *Way):
        answer = ask(proxy, way, "https://assets.example/file")
        told = json.loads(answer.body)
        assert (answer.status, told["error"]) == (502, "proxy-authentication")
        assert "407" in told["reason"]
        assert f"http://127.0.0.1:{squid.port}" in told["reason"]
    refused = plain(proxy.proxy_address, b"CONNECT tunnel.example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 502 ")
    assert "407" in json.loads(refused.partition(b"\r\n\r\n")[2])["reason"]
    assert len(squid.seen()) == 1, squid.seen()
    no_secret_in(proxy, "not-the-word", LOGIN[1])
    assert b"not-the-word" not in refused


@pytest.mark.parametrize("first", ["proxy", "doctor", "both"])
def test_a_wrong_password_is_tried_once_by_proxy_and_doctor_together(
    outside: Upstream,
    start_squid: Callable[[Company], Squid],
    start_proxy: Callable[..., RunningProxy],
    authority_file: Path,
    tmp_path: Path,
    first: str,
) -> None:
    """Whoever is first, the other is told by the store; a mended password is another one, and is tried."""
    squid = start_squid(company(outside))
    environment = behind(tmp_path, squid.url("not-the-word"))
    proxy = start_proxy(POLICY, upstream_ca=authority_file, environment=environment)
    doctor = [drydock(), "doctor", "--json", "--config", str(proxy.directory / "drydock-0.toml"), "--store", str(proxy.store)]

    def severity_by_doctor(environment: dict[str, str]) -> str:
        command = [*doctor, "--upstream-ca", str(authority_file)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        found: dict[str, str] = {finding["check"]: finding["severity"] for finding in json.loads(done.stdout)["findings"]}
        return found.get("accounts.refused") or found["accounts.fine"]

    def status_by_proxy() -> int:
        return ask(proxy, Way.CONNECT, "https://assets.example/file").status

    with ThreadPoolExecutor(1) as beside:
        if first == "proxy":
            assert status_by_proxy() == 502
        doctors = beside.submit(severity_by_doctor, environment)
        if first == "doctor":
            doctors.result()
        assert status_by_proxy() == 502
        assert doctors.result() == "fail"
    tries = [line for line in squid.seen() if not line.endswith(" -")]
    assert len(tries) == 1, squid.seen()
    assert severity_by_doctor(behind(tmp_path, squid.url())) == "ok"
    for file in proxy.store.iterdir():
        assert file.is_dir() or b"not-the-word" not in file.read_bytes()
