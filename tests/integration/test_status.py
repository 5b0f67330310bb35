"""The status server: health, readiness, the CA's certificate, counts."""

import json
import re
import ssl
import subprocess

from tests.integration.conftest import World
from tests.integration.ways import Way, ask, header


def get(world: World, path: str) -> tuple[int, str, bytes]:
    """Fetch from the status server; return status, content type and content."""
    answer = ask(world.proxy, Way.CONNECT, f"{world.proxy.status_url}{path}", "--noproxy", "*")
    return answer.status, header(answer, "Content-Type"), answer.body


def test_health_and_readiness(world: World) -> None:
    """/healthz answers while the process does; /readyz says that it can serve, and what is wrong."""
    assert get(world, "/healthz")[::2] == (200, b"ok\n")
    status, kind, body = get(world, "/readyz")
    assert (status, kind) == (200, "application/json; charset=utf-8")
    assert json.loads(body) == {"ready": True, "problems": []}


def test_the_certificate_without_the_key(world: World) -> None:
    """/ca.pem is the certificate that the proxy signs with, and nothing else."""
    _, _, body = get(world, "/ca.pem")
    assert body == world.proxy.ca.read_bytes()
    assert body.count(b"-----BEGIN") == 1
    ssl.create_default_context(cadata=body.decode())


def test_counts_in_two_forms(world: World) -> None:
    """/stats and /metrics agree, and a hit is counted with its bytes."""
    world.upstream.route("/counted-hit", b"x" * 1000)
    ask(world.proxy, Way.SNI, "https://assets.example/counted-hit")
    before = world.proxy.stats()
    ask(world.proxy, Way.SNI, "https://assets.example/counted-hit")
    after = world.proxy.stats()
    assert after["requests"]["hit"] == before["requests"].get("hit", 0) + 1
    assert after["bytes_served"] == before["bytes_served"] + 1000
    assert after["upstream_connections"] == before["upstream_connections"]
    assert (after["mode"], after["stored_responses"] > 0) == ("online", True)
    metrics = get(world, "/metrics")[2].decode()
    assert f'drydock_requests_total{{outcome="hit"}} {after["requests"]["hit"]}\n' in metrics
    assert f"drydock_upstream_connections_total {after['upstream_connections']}\n" in metrics
    assert re.fullmatch(r"(?:#.*\n|[a-z_]+(?:\{[^}]*\})? \d+\n)+", metrics)


def test_a_page_for_people(world: World) -> None:
    """/ shows the state and the counts in HTML."""
    status, kind, body = get(world, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b"All is well." in body
    assert b"stored_responses" in body


def test_the_key_is_for_the_proxy_alone(world: World) -> None:
    """The key's file and folder can be read by nobody else, and no line of the journal holds a key."""
    folder = world.proxy.directory / "state" / "authority"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    assert "PRIVATE KEY" not in world.proxy.output()


def test_other_tools_can_read_the_certificate(world: World) -> None:
    """openssl sees a CA that is constrained to the policy's hosts."""
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-text", "-in", str(world.proxy.ca)], capture_output=True, text=True, check=True
    )
    assert "CA:TRUE" in shown.stdout
    assert "DNS:assets.example" in shown.stdout
    assert "tunnel.example" not in shown.stdout
