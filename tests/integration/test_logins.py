"""Companies whose proxies want Digest or NTLM: px logs in for drydock, by real Squid, tried as seldom as accounts allow."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import OUTSIDE
from tests.integration.running import RunningProxy, plain_environment
from tests.integration.ways import Way, ask, plain, reply, secure
from tests.upstream.corporate_auth import CorporateAuth
from tests.upstream.scripted import Upstream
from tests.upstream.squid import Company, Kind, Squid

pytestmark = pytest.mark.skipif(shutil.which("squid") is None, reason="Squid is not installed; the test image brings it")

POLICY = 'pin = ["assets.example"]\ntunnel = ["tunnel.example"]\n'
PASSWORD = "open/sesame%#@"  # with all that has a meaning in a URL
LOGINS = {Kind.DIGEST: f"worker:{PASSWORD}", Kind.NTLM: f"CORP\\worker:{PASSWORD}"}
# How often Squid is asked for one try: what it offers, for NTLM its challenge, and the try itself, which has a user or none.
REFUSED_LINES = {Kind.DIGEST: 2, Kind.NTLM: 3}

type Start = Callable[[Kind, str], tuple[RunningProxy, CorporateAuth, Squid, Path]]


@pytest.fixture
def start(
    outside: Upstream,
    start_squid: Callable[[Company], Squid],
    start_proxy: Callable[..., RunningProxy],
    authority_file: Path,
    tmp_path: Path,
) -> Iterator[Start]:
    """Starts drydock behind px behind a Squid of some kind; the text goes into the file of credentials."""
    with ExitStack() as stack:

        def started(kind: Kind, login: str) -> tuple[RunningProxy, CorporateAuth, Squid, Path]:
            lead = dict.fromkeys(outside.names, ("127.0.0.1", outside.port))
            squid = start_squid(Company(login=("worker", PASSWORD), kind=kind, lead=lead))
            credentials = tmp_path / "login"
            credentials.write_text(login)
            directory = tmp_path / "px"
            directory.mkdir()
            auth = stack.enter_context(CorporateAuth(directory, f"http://127.0.0.1:{squid.port}", credentials))
            environment = plain_environment(tmp_path) | {
                "HTTPS_PROXY": f"http://127.0.0.1:{squid.port}",
                "DRYDOCK_PROFILES": "corporate-auth",
                "DRYDOCK_PROXY_CREDENTIALS": str(credentials),
            }
            proxy = start_proxy(POLICY, upstream_ca=authority_file, environment=environment, resolve=[auth.resolve])
            return proxy, auth, squid, credentials

        yield started


@pytest.mark.parametrize("kind", LOGINS)
def test_fetches_and_tunnels_go_through_it_and_the_password_shows_nowhere(
    start: Start, outside: Upstream, authority_file: Path, kind: Kind
) -> None:
    """Cold once, then warm by both ways in; a tunnelled host's certificate is its own; no log and no process list has the password."""
    proxy, auth, squid, _ = start(kind, LOGINS[kind])
    for way in (*Way, *Way):
        assert ask(proxy, way, "https://assets.example/file").body == OUTSIDE
    assert outside.count("/file") == 1
    for way in Way:
        with secure(proxy, way, "tunnel.example", ca=authority_file) as connection:
            connection.sendall(b"GET /other HTTP/1.1\r\nHost: tunnel.example\r\n\r\n")
            assert reply(connection).body == OUTSIDE
    assert any(line.startswith("TCP_TUNNEL/200 CONNECT") and line.endswith(" worker") for line in squid.seen()), squid.seen()
    for text in (proxy.output(), auth.output(), auth.shown().decode(), Path(f"/proc/{proxy.pid}/environ").read_text()):
        assert PASSWORD not in text


@pytest.mark.parametrize("kind", LOGINS)
def test_a_wrong_password_is_tried_once_and_a_mended_one_counts_at_once(start: Start, kind: Kind) -> None:
    """Every client is told why; the account is spared; when the file is right nobody has to start anything again."""
    proxy, auth, squid, credentials = start(kind, LOGINS[kind].replace(PASSWORD, "not-the-word"))
    for way in (*Way, *Way):
        answer = ask(proxy, way, "https://assets.example/file")
        told = json.loads(answer.body)
        assert (answer.status, told["error"]) == (502, "proxy-authentication")
        assert "407" in told["reason"]
        assert "DRYDOCK_PROXY_CREDENTIALS" in told["mend"]
    refused = plain(proxy.proxy_address, b"CONNECT tunnel.example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 502 ")
    assert len(squid.seen()) == REFUSED_LINES[kind], squid.seen()
    credentials.write_text(LOGINS[kind])
    started = time.monotonic()
    assert ask(proxy, Way.CONNECT, "https://assets.example/file").body == OUTSIDE
    assert time.monotonic() - started < 10
    for text in (proxy.output(), auth.output()):
        assert "not-the-word" not in text


def test_what_the_company_refuses_is_not_taken_for_a_wrong_password(
    outside: Upstream,
    start: Start,
) -> None:
    """px says 502 of every refusal; here it is the company's own status, and no password is named."""
    proxy, _, _, _ = start(Kind.DIGEST, LOGINS[Kind.DIGEST])
    outside.stop()
    told = json.loads(ask(proxy, Way.CONNECT, "https://assets.example/file").body)
    assert told["error"] == "proxy-refused"
    assert "behind corporate-auth, refused a connection to assets.example: 50" in told["reason"]


def test_a_company_that_is_away_is_named(
    start_proxy: Callable[..., RunningProxy], authority_file: Path, tmp_path: Path
) -> None:
    """px is there, and the proxy behind it is not: the settings that name it are what is to be looked at."""
    credentials = tmp_path / "login"
    credentials.write_text(LOGINS[Kind.NTLM])
    environment = plain_environment(tmp_path) | {"HTTPS_PROXY": "http://127.0.0.1:1", "DRYDOCK_PROFILES": "corporate-auth"}
    with CorporateAuth(tmp_path, "http://127.0.0.1:1", credentials) as auth:
        proxy = start_proxy(POLICY, upstream_ca=authority_file, environment=environment, resolve=[auth.resolve])
        told = json.loads(ask(proxy, Way.SNI, "https://assets.example/file").body)
        assert told["error"] == "unreachable"
        assert "behind corporate-auth, cannot be reached" in told["reason"]
