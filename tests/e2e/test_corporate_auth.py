"""Behind a company that wants NTLM or Kerberos: COMPOSE_PROFILES=corporate-auth and what logs in are all that is needed."""

import base64
import contextlib
import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024, Stack, declare_stack, new_password
from tests.internet.build_www import BUNDLE
from tests.upstream.kerberos import client_conf
from tests.upstream.squid import KDC_DIRECTORY, KDC_PORT

pytestmark = pytest.mark.timeout(600)

PASSWORD = new_password()
URL = f"https://{BUNDLE}"


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the password as the documentation says: others are kept out by its folder."""
    folder = tmp_path_factory.mktemp("secret")
    folder.chmod(0o700)
    file = folder / "proxy-login"
    file.write_text(f"CORP\\worker:{PASSWORD}\n")
    file.chmod(0o644)
    return file


@pytest.fixture(scope="module")
def stack(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory, credentials: Path) -> Stack:
    """The proxy behind px behind a Squid that wants NTLM; beside it one that wants Kerberos."""
    scratch = tmp_path_factory.mktemp("corporate-auth")
    # The images are built on the open network: this proxy's name means nothing where images are built.
    stack = declare_stack(declare_project, scratch, "corporate-auth", 121, RUNTIME_2024)
    stack.project.build("corporate-auth", "corporate")
    env = {
        "CORPORATE_PASSWORD": PASSWORD,
        "COMPOSE_PROFILES": "corporate-auth",
        "DRYDOCK_PROXY_CREDENTIALS": str(credentials),
        "HTTPS_PROXY": "http://corporate-ntlm:3128",
        "HTTP_PROXY": "http://corporate-ntlm:3128",
    }
    stack = Stack(stack.project.with_env(**env), stack.network)
    stack.project.compose("up", "--detach", "--wait", "internet", "corporate-ntlm", "corporate-kerberos")
    stack.project.compose("up", "--detach", "--wait", "--no-build", "proxy")
    return stack


def warm(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Fetch by the service that fetches before Workers start."""
    return stack.project.compose("run", "--rm", "--no-deps", "warm", "warm", *arguments, check=False)


def test_the_bundle_comes_through_px(stack: Stack) -> None:
    """`up proxy` starts px too, and a download goes by it, once."""
    done = warm(stack, "--url", URL)
    assert done.returncode == 0, done.stderr + stack.project.logs()
    assert stack.internet.count(BUNDLE) == 1
    stack.wait_until(lambda: "TCP_TUNNEL/200 CONNECT" in stack.project.logs("corporate-ntlm"))


def test_the_password_is_shown_by_no_inspection_and_no_log(stack: Stack) -> None:
    """What Docker says of the containers, what they print, and what is visible of px's process inside."""
    # the Squid that plays the company is told it openly
    containers = stack.project.compose("ps", "--all", "--quiet", "proxy", "corporate-auth").stdout.split()
    told = subprocess.run(["docker", "inspect", *containers], capture_output=True, text=True, check=True).stdout
    assert len(json.loads(told)) == 2
    assert PASSWORD not in told + stack.project.logs()
    processes = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    inside = stack.project.exec("corporate-auth", "sh", "-c", processes, check=False).stdout
    assert "auth_start.py" in inside
    assert PASSWORD not in inside


def test_px_serves_the_containers_and_not_the_users_of_this_machine(stack: Stack) -> None:
    """Whoever is on the host could go out by another one's account otherwise: the connection ends without an answer."""
    with socket.create_connection((stack.address("corporate-auth", "egress"), 3128), timeout=10) as connection:
        connection.sendall(b"CONNECT api.example.net:443 HTTP/1.1\r\nHost: api.example.net:443\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_a_wrong_password_is_told_and_a_mended_file_counts_without_a_restart(stack: Stack, credentials: Path) -> None:
    """The sentence names the file; what is written into it afterwards is used by the next request."""
    right = credentials.read_text()
    credentials.write_text(right.replace(PASSWORD, "not-the-word"))
    other = URL.replace("_3.capnp.bin", "_4.capnp.bin")
    refused = warm(stack, "--url", other)
    assert refused.returncode == 1
    assert "behind corporate-auth, answered 407" in refused.stderr
    assert "the file of DRYDOCK_PROXY_CREDENTIALS" in refused.stderr
    credentials.write_text(right)
    assert "407" not in warm(stack, "--url", other).stderr
    assert "not-the-word" not in refused.stderr + stack.project.logs()


def test_a_pac_script_as_a_file_leads_px_and_drydock(stack: Stack, tmp_path: Path) -> None:
    """DRYDOCK_PAC_FILE names a file of this machine; no variable names a proxy."""
    script = tmp_path / "proxy.pac"
    script.write_text('function FindProxyForURL(url, host) { return "PROXY corporate-ntlm:3128"; }')
    by_script = Stack(stack.project.with_env(HTTPS_PROXY="", HTTP_PROXY="", DRYDOCK_PAC_FILE=str(script)), stack.network)
    by_script.project.compose("up", "--detach", "--wait", "--no-build", "--no-deps", "corporate-auth")
    tunnels = stack.project.logs("corporate-ntlm").count("TCP_TUNNEL/200 CONNECT")
    warm(by_script, "--url", URL.replace("_3.capnp.bin", "_5.capnp.bin"))
    stack.wait_until(lambda: stack.project.logs("corporate-ntlm").count("TCP_TUNNEL/200 CONNECT") > tunnels)


def test_a_file_that_the_container_cannot_read_is_said_with_its_mode(stack: Stack, credentials: Path) -> None:
    """0600 is what a careful user gives it; the container's own user cannot read that."""
    credentials.chmod(0o600)
    try:
        done = warm(stack, "--url", URL)
    finally:
        credentials.chmod(0o644)
    assert done.returncode != 0
    assert "proxy_credentials cannot be read: Permission denied" in done.stderr
    assert "0644" in done.stderr


def kinit(stack: Stack, ticket: Path, life: str) -> None:
    """Do what the documentation says, on a machine of the company's: kinit -c TICKET && chmod 644 TICKET."""
    conf = f"KRB5_CONFIG={KDC_DIRECTORY}/krb5.conf"
    kinit = f'echo "$SQUID_PASSWORD" | {conf} kinit -l {life} -c /tmp/ticket worker@CORP.EXAMPLE >&2; base64 /tmp/ticket'
    new = ticket.with_name("new")  # which then takes the old one's place, as kinit does it
    new.write_bytes(base64.b64decode(stack.project.exec("corporate-kerberos", "sh", "-c", kinit).stdout))
    new.chmod(0o644)
    new.rename(ticket)


def test_a_folder_with_a_ticket_is_enough_for_kerberos_and_a_new_ticket_needs_no_restart(stack: Stack, tmp_path: Path) -> None:
    """The one of yesterday is told with the command that mends it, by the folder's name on this machine."""
    folder = tmp_path / "secret" / "kerberos"
    folder.parent.mkdir(mode=0o700)
    folder.mkdir(mode=0o755)
    (folder / "krb5.conf").write_text(client_conf(f"corporate-kerberos:{KDC_PORT}"))
    proxy = "http://corporate-kerberos:3128"
    kerberos = stack.project.with_env(
        HTTPS_PROXY=proxy, HTTP_PROXY=proxy, DRYDOCK_PROXY_CREDENTIALS="", DRYDOCK_KERBEROS=str(folder)
    )
    by_kerberos = Stack(kerberos, stack.network)
    kinit(by_kerberos, folder / "ticket", "1s")
    by_kerberos.project.compose("up", "--detach", "--wait", "--no-build", "--no-deps", "corporate-auth")
    other = URL.replace("_3.capnp.bin", "_6.capnp.bin")
    refused = warm(by_kerberos, "--url", other)
    assert "the Kerberos ticket of worker@CORP.EXAMPLE expired on" in refused.stderr
    assert f"kinit -c {folder}/ticket worker@CORP.EXAMPLE && chmod 644 {folder}/ticket" in " ".join(refused.stderr.split())
    kinit(by_kerberos, folder / "ticket", "1h")
    warm(by_kerberos, "--url", other)
    by_kerberos.wait_until(lambda: "TCP_TUNNEL/200 CONNECT" in by_kerberos.project.logs("corporate-kerberos"))
    assert f"CONNECT {BUNDLE.partition('/')[0]}:443 worker@CORP.EXAMPLE" in by_kerberos.project.logs("corporate-kerberos")
