"""Workers with no way out but the proxy: the bundle by interception alone, their own fetches, and the walls around them."""

import hashlib
import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024, Stack, declare_stack
from tests.internet.build_www import BUNDLE

pytestmark = pytest.mark.timeout(600)

# What connects from a Worker's container, as a program would that knows of no proxy.
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("connected")
except OSError as error:
    print(type(error).__name__, error)
"""
CONNECT = """
import socket, sys
with socket.create_connection(("{proxy}", 3128), timeout=5) as wire:
    wire.sendall(f"CONNECT {{sys.argv[1]}} HTTP/1.1\\r\\nHost: {{sys.argv[1]}}\\r\\n\\r\\n".encode())
    wire.settimeout(5)
    answer = b""
    while chunk := wire.recv(65536):
        answer += chunk
        if answer.rstrip().endswith(b"}}"):
            break
print(answer.decode())
"""
SHOWN = """
import socket, ssl, sys
context = ssl.create_default_context(cafile="/run/drydock/ca-bundle.pem")
with socket.create_connection((sys.argv[1], 443), timeout=10) as wire:
    with context.wrap_socket(wire, server_hostname=sys.argv[1]) as tls:
        sys.stdout.write(ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)))
"""


@pytest.fixture(scope="module")
def stack(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Two Workers started at once on an empty store, with no disk cache and nothing warmed."""
    env = {**RUNTIME_2024, "E2E_RUNTIME_VIEW": ""}
    stack = declare_stack(declare_project, tmp_path_factory.mktemp("interception"), "interception", 102, env)
    stack.project.up("internet")
    stack.project.up("twin", "outside")
    return stack


def fingerprint(pem: str) -> str:
    """Return the sha256 of a certificate, in hexadecimal."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def fetched(stack: Stack, url: str) -> tuple[int, str]:
    """Let the Worker `outside` fetch a URL with its own fetch."""
    return stack.inside("outside", f"/fetch?url={url}")


def refusals(stack: Stack, host: str) -> list[dict[str, Any]]:
    """Return the journal's lines about connections or names that were refused."""
    return [
        line
        for line in stack.journal()
        if line.get("host") == host and (line["event"] == "refused" or line["outcome"] == "refused")
    ]


def test_workers_start_through_interception_alone(stack: Stack) -> None:
    """Without any disk cache both runtimes get the real bundle over TLS that they trust."""
    assert stack.inside("twin", "/") == (200, "ok")
    assert stack.inside("outside", "/") == (200, "ok")


def test_workers_that_start_together_share_one_download(stack: Stack) -> None:
    """Both asked for the bundle; upstream saw one request."""
    name = BUNDLE.rpartition("/")[2]
    asked = [line["client"] for line in stack.journal() if line.get("event") == "request" and name in line["url"]]
    assert len(set(asked)) == 2
    assert stack.internet.count(BUNDLE) == 1


def test_a_workers_own_fetch_reaches_a_tunnelled_host(stack: Stack) -> None:
    """A Python handler fetches from an API that the policy names under `tunnel`, and gets its answer."""
    status, body = fetched(stack, "https://api.example.net/from-a-worker")
    assert status == 200
    answer = json.loads(body)
    assert (answer["host"], answer["path"]) == ("api.example.net", "/from-a-worker")


def test_a_tunnel_is_not_decrypted(stack: Stack) -> None:
    """The certificate that is seen inside the sealed network is the host's own, and the journal knows no URL of it."""
    pem = stack.project.exec("outside", "python3", "-c", SHOWN, "api.example.net").stdout
    assert fingerprint(pem) == stack.internet.certificate("api.example.net")
    lines = [line for line in stack.journal() if "api.example.net" in json.dumps(line)]
    assert lines
    assert {line["event"] for line in lines} == {"tunnel"}


def test_an_asset_host_is_decrypted_by_our_ca(stack: Stack) -> None:
    """For an asset host the certificate is the proxy's, not the host's: that is what makes the cache possible."""
    pem = stack.project.exec("outside", "python3", "-c", SHOWN, BUNDLE.partition("/")[0]).stdout
    assert fingerprint(pem) != stack.internet.certificate(BUNDLE.partition("/")[0])


def test_a_name_outside_the_policy_fails_at_once_and_the_journal_says_how_to_allow_it(stack: Stack) -> None:
    """No hang: the name does not exist, and the line of drydock.toml that would change that is in the log."""
    status, _ = fetched(stack, "https://elsewhere.example.org/")
    assert status == 502
    (line, *_) = refusals(stack, "elsewhere.example.org")
    assert 'Add "elsewhere.example.org" to `tunnel`' in line["mend"]
    assert "line " in line["mend"]


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("1.1.1.1", 443),
        ("203.0.113.9", 80),
        ("169.254.169.254", 80),
        ("172.17.0.1", 22),
        ("example.org", 443),
        ("{network}.1", 22),
    ],
)
def test_no_address_outside_is_reachable(stack: Stack, host: str, port: int) -> None:
    """Neither by address nor by name does a Worker's container get anywhere; the host's own services are outside, too."""
    target = host.format(network=stack.network)
    assert "connected" not in stack.project.exec("outside", "python3", "-c", REACH, target, str(port)).stdout


@pytest.mark.parametrize(
    "target",
    ["example.org:443", "169.254.169.254:80", "10.0.0.1:443", "api.example.net:22", "sparrow.cloudflare.com:443", "[::1]:8080"],
)
def test_connect_to_what_the_policy_denies_is_refused_with_the_reason(stack: Stack, target: str) -> None:
    """The proxy answers 403 at once, with a body that says why and how to allow it."""
    script = CONNECT.format(proxy=f"{stack.network}.10")
    answer = stack.project.exec("outside", "python3", "-c", script, target).stdout
    assert answer.startswith("HTTP/1.1 403"), answer
    assert json.loads(answer.partition("\r\n\r\n")[2] or answer.partition("\n\n")[2])["reason"].startswith("Refused")


def test_only_the_status_port_and_the_workers_are_published_and_on_loopback_alone(stack: Stack) -> None:
    """Nothing is published beyond 127.0.0.1, and neither the proxy's port nor its DNS is published at all."""
    own = replace(stack.project, files=("compose.yml",))
    services = json.loads(own.compose("config", "--format", "json").stdout)["services"]
    environments = [service.get("environment", {}) for service in services.values()]
    workers = sorted(int(environment["PORT"]) for environment in environments if "PORT" in environment)
    published = {
        name: sorted((port["host_ip"], port["target"]) for port in service["ports"])
        for name, service in services.items()
        if "ports" in service
    }
    assert len(workers) > 1
    assert published == {"proxy": [("127.0.0.1", 8080)], "gateway": [("127.0.0.1", port) for port in workers]}
