"""Companies whose proxies want Kerberos: px takes a ticket to a real Squid, from a real KDC, and says what is wrong with it."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import OUTSIDE
from tests.integration.running import RunningProxy, plain_environment
from tests.integration.ways import Way, ask, reply, secure
from tests.upstream.corporate_auth import CorporateAuth
from tests.upstream.curl import Answer
from tests.upstream.kerberos import Kdc
from tests.upstream.scripted import Upstream
from tests.upstream.squid import Company, Kind, Squid

pytestmark = pytest.mark.skipif(shutil.which("squid") is None, reason="Squid is not installed; the test image brings it")

POLICY = 'pin = ["assets.example"]\ntunnel = ["tunnel.example"]\n'

type Start = Callable[..., tuple[RunningProxy, CorporateAuth]]


@pytest.fixture
def squid(kdc: Kdc, outside: Upstream, start_squid: Callable[[Company], Squid]) -> Squid:
    """The company's proxy, which takes tickets and nothing else."""
    lead = dict.fromkeys(outside.names, ("127.0.0.1", outside.port))
    return start_squid(Company(login=("worker", kdc.password), kind=Kind.NEGOTIATE, kdc=kdc, lead=lead))


@pytest.fixture
def start(
    squid: Squid, kerberos_folder: Path, start_proxy: Callable[..., RunningProxy], authority_file: Path, tmp_path: Path
) -> Iterator[Start]:
    """Starts drydock behind px behind the company's proxy; the text goes into the file of credentials."""
    with ExitStack() as stack:

        def started(login: str = "", **settings: str) -> tuple[RunningProxy, CorporateAuth]:
            credentials = tmp_path / "login"
            credentials.write_text(login)
            directory = tmp_path / "px"
            directory.mkdir()
            url = f"http://localhost:{squid.port}"
            settings["DRYDOCK_KERBEROS"] = str(kerberos_folder)
            auth = stack.enter_context(CorporateAuth(directory, url, credentials, **settings))
            environment = plain_environment(tmp_path) | {"HTTPS_PROXY": url, "DRYDOCK_PROFILES": "corporate-auth"}
            return start_proxy(POLICY, upstream_ca=authority_file, environment=environment, resolve=[auth.resolve]), auth

        yield started


def told(answer: Answer) -> tuple[str, str]:
    """Return why a request failed at the login, and what mends it."""
    said = json.loads(answer.body)
    assert (answer.status, said["error"]) == (502, "proxy-authentication"), said
    return said["reason"], said["mend"]


def test_fetches_and_tunnels_go_through_it_with_the_ticket_of_kinit(
    start: Start, kdc: Kdc, squid: Squid, kerberos_folder: Path, outside: Upstream, authority_file: Path
) -> None:
    """Cold once, then warm, by both ways in; a tunnelled host's certificate is its own; no password is anywhere."""
    kdc.kinit(kerberos_folder / "ticket")
    proxy, auth = start()
    for way in (*Way, *Way):
        assert ask(proxy, way, "https://assets.example/file").body == OUTSIDE
    assert outside.count("/file") == 1
    with secure(proxy, Way.CONNECT, "tunnel.example", ca=authority_file) as connection:
        connection.sendall(b"GET /other HTTP/1.1\r\nHost: tunnel.example\r\n\r\n")
        assert reply(connection).body == OUTSIDE
    assert all(line.startswith("TCP_TUNNEL/200 CONNECT") and line.endswith(kdc.principal) for line in squid.seen())
    assert kdc.tries() == ["taken"]
    assert f"drydock: {kdc.principal} has a Kerberos ticket until" in auth.output()


def test_an_expired_ticket_is_told_with_the_command_that_mends_it_and_a_new_one_counts_at_once(
    start: Start, kdc: Kdc, squid: Squid, kerberos_folder: Path, tmp_path: Path
) -> None:
    """Neither the proxy nor the KDC is asked with it; the command of the sentence, run, is all that is needed."""
    kdc.kinit(kerberos_folder / "ticket", "-l", "1s")
    proxy, _ = start(DRYDOCK_KERBEROS_SHOWN=str(kerberos_folder))
    time.sleep(1.1)
    for way in (*Way, *Way):
        reason, mend = told(ask(proxy, way, "https://assets.example/file"))
        assert reason.startswith(
            f"corporate-auth cannot log in at the company's proxy: the Kerberos ticket of {kdc.principal} expired on 20"
        )
        assert (
            mend == f"On this machine: kinit -c {kerberos_folder}/ticket {kdc.principal} && chmod 644 {kerberos_folder}/ticket"
        )
    assert squid.seen() == []
    kdc.type(mend.removeprefix("On this machine: "))
    assert ask(proxy, Way.CONNECT, "https://assets.example/file").body == OUTSIDE


def test_a_password_gets_a_ticket_by_itself_and_a_wrong_one_is_tried_once(
    start: Start, kdc: Kdc, squid: Squid, tmp_path: Path
) -> None:
    """The account is spared; a mended file counts at once; what is visible of px's process has no password."""
    proxy, auth = start(f"{kdc.principal}:not-the-word", DRYDOCK_PROXY_AUTH="negotiate")
    for way in (*Way, *Way):
        reason, mend = told(ask(proxy, way, "https://assets.example/file"))
        assert "Kerberos gave worker@CORP.EXAMPLE no ticket: Password incorrect" in reason
        assert "DRYDOCK_PROXY_CREDENTIALS" in mend
    assert (kdc.tries(), squid.seen()) == (["refused"], [])
    (tmp_path / "login").write_text(f"{kdc.principal}:{kdc.password}")
    assert ask(proxy, Way.CONNECT, "https://assets.example/file").body == OUTSIDE
    assert kdc.tries() == ["refused", "taken"]
    for text in (proxy.output(), auth.output(), auth.shown().decode()):
        assert kdc.password not in text
        assert "not-the-word" not in text


def test_a_ticket_that_the_company_refuses_is_shown_once(start: Start, kdc: Kdc, squid: Squid, kerberos_folder: Path) -> None:
    """The proxy has another key by now than the one that the ticket is for; it is not asked again for 30 seconds."""
    kdc.kinit(kerberos_folder / "ticket")
    kdc.change_key()
    proxy, _ = start()
    for way in (*Way, *Way):
        reason, _ = told(ask(proxy, way, "https://assets.example/file"))
        assert f"it does not take the Kerberos ticket of {kdc.principal}, and is not asked again for 30 seconds" in reason
    assert len(squid.seen()) == 1, squid.seen()
