"""The two walls of an offline stack, each with the other one down."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024, STACK_2024, Stack, declare_stack

pytestmark = pytest.mark.timeout(900)

# A bundle that nobody has: what a Worker that is asked for it gets, and how long it waits.
MISSING = "https://pyodide.runtime-playground.workers.dev/pyodide-capnp-bin/missing.capnp.bin"
FETCH = """
import sys, time, urllib.error, urllib.request
started = time.monotonic()
try:
    status, body = 200, urllib.request.urlopen(sys.argv[1], timeout=30).read()
except urllib.error.HTTPError as error:
    status, body = error.code, error.read()
except OSError as error:
    status, body = 0, str(error).encode()
print(status, time.monotonic() - started)
print(body.decode(errors="replace"))
"""
# Asks for nothing but a connection, past the proxy: the host by its name and by every address that the test knows of it.
REACH = """
import socket, sys
for host in sys.argv[1:]:
    try:
        socket.create_connection((host, 443), timeout=3).close()
        print("reached", host)
    except OSError:
        pass
print("routes out:", sum(line.split()[1] == "00000000" for line in open("/proc/net/route").readlines()[1:]))
"""


def fetch(stack: Stack, url: str) -> tuple[int, float, str]:
    """Ask for a URL from inside of a Worker's container; return status, seconds and body."""
    done = stack.project.compose("run", "--rm", "--no-deps", "-T", "hello-js", "python3", "-c", FETCH, url)
    head, _, body = done.stdout.partition("\n")
    status, seconds = head.split()
    return int(status), float(seconds), body


def reach(stack: Stack, *hosts: str) -> str:
    """Try to connect from the proxy's own container, past the proxy."""
    return stack.project.exec("proxy", "python3", "-c", REACH, *hosts).stdout


def test_the_proxys_wall_holds_with_a_network_that_leads_out(
    declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The internet is a connection away, and is not asked: a 504 within a second that names the URL, the reason and the command."""
    scratch = tmp_path_factory.mktemp("mode")
    stack = declare_stack(declare_project, scratch, "mode-alone", 107, {**RUNTIME_2024, "DRYDOCK_MODE": "offline"})
    stack.project.up("internet", "proxy")
    assert "reached internet" in reach(stack, "internet"), "the other wall is not down"
    before = stack.internet.connections()
    status, seconds, body = fetch(stack, MISSING)
    assert (status, seconds < 1) == (504, True), (status, seconds, body)
    told = json.loads(body)
    assert told["url"] == MISSING
    assert "offline" in told["reason"]
    assert "drydock warm --url" in told["mend"]
    assert stack.stats()["upstream_connections"] == 0
    assert stack.internet.connections() == before


def test_the_networks_wall_holds_with_a_proxy_that_would_ask(
    declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The proxy tries, and reaches nobody: no route leads out, whatever the proxy believes."""
    files = (*STACK_2024, "docker/offline.compose.yml", "tests/e2e/one-wall.compose.yml")
    scratch = tmp_path_factory.mktemp("network")
    stack = declare_stack(declare_project, scratch, "network-alone", 108, RUNTIME_2024, files)
    stack.project.up("internet", "proxy", "gateway")
    container = stack.project.compose("ps", "--quiet", "internet").stdout.strip()
    shown = subprocess.run(
        ["docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}} {{end}}", container],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert shown
    assert reach(stack, "internet", *shown) == "routes out: 0\n"
    status, _, body = fetch(stack, MISSING)
    assert status in (502, 504), body
    assert stack.internet.connections() == 0
    # the gateway passes the status page on, which an internal network does not publish
    with build_opener(ProxyHandler({})).open(
        f"http://127.0.0.1:{stack.project.port('gateway', 8080)}/stats", timeout=30
    ) as answer:
        stats = json.load(answer)
    assert (stats["mode"], stats["requests"]) == ("online", {"error": 1})


def test_the_profile_that_logs_in_at_the_company_stays_out_of_it(
    declare_project: Callable[..., Project], tmp_path: Path
) -> None:
    """Turned on in .env, as at work: offline nothing is started for it, and nothing has a network on which anybody could be asked."""
    login = tmp_path / "login"
    login.write_text("worker:open-sesame\n")
    env = {
        "COMPOSE_PROFILES": "corporate-auth",
        "DRYDOCK_PROXY_CREDENTIALS": str(login),
        "HTTPS_PROXY": "http://corporate.example:3128",
    }
    files = (*STACK_2024, "docker/offline.compose.yml")
    stack = declare_stack(declare_project, tmp_path, "profile-offline", 109, RUNTIME_2024 | env, files)
    stack.project.up("internet", "proxy")
    assert set(stack.project.compose("ps", "--all", "--services").stdout.split()) == {"internet", "proxy"}
    container = stack.project.compose("ps", "--quiet", "proxy").stdout.strip()
    shown = subprocess.run(
        ["docker", "inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", container],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert shown == [f"{stack.project.name}_sealed"]
    status, seconds, body = fetch(stack, MISSING)
    assert (status, seconds < 1) == (504, True), (status, seconds, body)
    assert "offline" in json.loads(body)["reason"]
