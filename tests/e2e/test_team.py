"""One proxy for many machines: two share what one of them fetched, a third is not served, and commands need the token."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.stack import PLAYED
from tests.internet.build_www import BUNDLE
from tests.internet.client import Internet

pytestmark = pytest.mark.timeout(600)

NETWORK = "10.213.109"
URL = f"https://{BUNDLE}"
# A machine: takes the CA from the status page, and fetches through the proxy. Prints the Cache-Status and the sha256.
FETCH = """
import hashlib, ssl, sys, urllib.request
proxy, url = sys.argv[1:]
plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ca = plain.open(f"http://{proxy}:8080/ca.pem", timeout=10).read().decode()
way = urllib.request.ProxyHandler({"https": f"http://{proxy}:3128"})
client = urllib.request.build_opener(way, urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=ca)))
answer = client.open(url, timeout=60)
print(answer.headers["Cache-Status"], hashlib.sha256(answer.read()).hexdigest())
"""
# A stranger: what each port says to it.
KNOCK = """
import http.client, socket, sys
for port in (3128,):
    with socket.create_connection((sys.argv[1], port), timeout=5) as connection:
        try:
            connection.sendall(b"CONNECT example.org:443 HTTP/1.1\\r\\nHost: example.org:443\\r\\n\\r\\n")
            print(port, connection.recv(100))
        except ConnectionError:
            print(port, b"")
connection = http.client.HTTPConnection(sys.argv[1], 8080, timeout=5)
connection.request("GET", "/ca.pem")
print(8080, connection.getresponse().status)
"""


@dataclass(frozen=True)
class Team:
    """The project, and the token that one of the machines has."""

    project: Project
    token: str

    def python(self, machine: str, script: str, *arguments: str) -> str:
        """Run Python on a machine and return what it prints."""
        return self.project.exec(machine, "python3", "-c", script, f"{NETWORK}.10", *arguments).stdout.strip()


@pytest.fixture(scope="module")
def team(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Team:
    scratch: Path = tmp_path_factory.mktemp("team")
    policy = scratch / "drydock.toml"
    policy.write_text((REPOSITORY / "drydock.toml").read_text() + f"\n[upstream]\nprivate_hosts = {json.dumps(PLAYED)}\n")
    token = secrets.token_hex(24)
    (scratch / "token").write_text(token)
    (scratch / "token").chmod(0o644)  # the container's user is another one than this
    env = {"DRYDOCK_TAG": "test-team", "TEAM_NETWORK": NETWORK, "TEAM_TOKEN": str(scratch / "token"), "E2E_POLICY": str(policy)}
    project = declare_project("team", ("tests/e2e/internet.compose.yml", "tests/e2e/team.compose.yml"), env)
    project.up("internet", "proxy", "ada", "grace", "stranger")
    return Team(project, token)


def test_what_one_machine_fetched_another_gets_from_the_store(team: Team) -> None:
    """The same bytes, and upstream saw one request."""
    first, digest = team.python("ada", FETCH, URL).rsplit(" ", 1)
    second, same = team.python("grace", FETCH, URL).rsplit(" ", 1)
    assert (first.startswith("drydock; fwd=uri-miss"), second) == (True, "drydock; hit")
    assert digest == same
    internet = Internet(team.project.port("internet", 8081))
    assert internet.count(BUNDLE) == 1


def test_a_machine_that_is_not_named_gets_nothing(team: Team) -> None:
    """On the same network, with a private address: closed without a byte, and 403 at the status port."""
    assert team.python("stranger", KNOCK).splitlines() == ["3128 b''", "8080 403"]
    assert f"--allow-client {NETWORK}.65" in team.project.logs("proxy")


def test_a_rehearsal_from_a_machine_needs_the_token(team: Team) -> None:
    """The one that has it begins and ends a rehearsal; the other may read and no more. The token is in no log."""
    command = ["drydock", "rehearse", "--proxy", f"http://{NETWORK}.10:8080"]
    refused = team.project.exec("grace", *command, "--", "true", check=False)
    assert refused.returncode == 1
    assert "The token is wrong or missing" in refused.stderr
    assert "hits" in team.project.exec("grace", *command, "--so-far", check=False).stdout
    done = team.project.exec("ada", *command, "--", "python3", "-c", FETCH, f"{NETWORK}.10", URL)
    assert "0 upstream connections, 1 hits, 0 misses" in done.stdout
    assert team.token not in team.project.logs("proxy")


TEAM_FILES = ("compose.yml", "docker/team.compose.yml")


def test_the_team_file_publishes_on_the_named_address_for_the_named_networks_alone(tmp_path: Path) -> None:
    """What the proxy is told, as compose puts it together; the Workers' own network is served still."""
    env = {"DRYDOCK_BIND": "10.20.0.5", "DRYDOCK_TEAM": "10.20.0.0/16 10.30.7.0/24", "DRYDOCK_TOKEN": str(tmp_path / "token")}
    config = Project("team-file", TEAM_FILES, env).compose("config", "--format", "json").stdout
    proxy = json.loads(config)["services"]["proxy"]
    assert {(port["host_ip"], port["target"]) for port in proxy["ports"]} == {("10.20.0.5", 3128), ("10.20.0.5", 8080)}
    assert proxy["environment"]["DRYDOCK_ALLOW_CLIENTS"].split() == ["10.213.77.0/24", "10.20.0.0/16", "10.30.7.0/24"]
    assert {secret["source"] for secret in proxy["secrets"]} >= {"token", "corporate_ca"}


@pytest.mark.parametrize("missing", ["DRYDOCK_BIND", "DRYDOCK_TEAM", "DRYDOCK_TOKEN"])
def test_the_team_file_wants_every_setting(missing: str) -> None:
    """None has a default that would serve more than was meant."""
    env = {"DRYDOCK_BIND": "10.20.0.5", "DRYDOCK_TEAM": "10.20.0.0/16", "DRYDOCK_TOKEN": "token", missing: ""}
    done = Project("team-file", TEAM_FILES, env).compose("config", check=False)
    assert done.returncode != 0
    assert missing in done.stderr


def test_without_it_everything_is_published_on_loopback() -> None:
    """The project as it is serves this machine, and its Workers, and nobody else (F41)."""
    services = json.loads(Project("team-file", ("compose.yml",)).compose("config", "--format", "json").stdout)["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
