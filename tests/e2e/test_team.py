"""One proxy for many machines: two share what one of them fetched, a third is not served, and commands need the token."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.stack import PLAYED
from tests.internet.build_www import BUNDLE
from tests.internet.client import Internet

pytestmark = pytest.mark.timeout(600)

NETWORK = "10.213.109"
BIND = f"{NETWORK}.1"
URL = f"https://{BUNDLE}"
FILES = ("compose.yml", "docker/team.compose.yml", "tests/e2e/internet.compose.yml", "tests/e2e/world.compose.yml")
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


class Machine:
    """A machine on a cable to the one that runs the proxy: a network namespace with an address of its own."""

    def __init__(self, name: str, last: int, **env: str) -> None:
        self._env = {"PATH": os.environ["PATH"], **env}
        self._life = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        here, there, address = f"dd{os.getpid()}{name[0]}", f"ddt{name[0]}", f"{NETWORK}.{last}"
        self._here = here
        try:
            ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", str(self._wait_for_namespace()))
            ip("address", "add", f"{BIND}/32", "peer", f"{address}/32", "dev", here)
            ip("link", "set", here, "up")
            for command in (
                ("address", "add", f"{address}/32", "peer", f"{BIND}/32", "dev", there),
                ("link", "set", there, "up"),
                ("link", "set", "lo", "up"),
            ):
                self.run("ip", *command)
        except BaseException:
            self.remove()
            raise

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine."""
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self._life.pid}/ns/net", *command],
            env=self._env, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def python(self, script: str, *arguments: str) -> str:
        """Run Python on this machine and return what it prints."""
        return self.run(sys.executable, "-c", script, BIND, *arguments).stdout.strip()

    def remove(self) -> None:
        """Pull the cable and end the machine."""
        subprocess.run(["ip", "link", "delete", self._here], capture_output=True, check=False)
        self._life.kill()
        self._life.wait()

    def _wait_for_namespace(self) -> int:
        own = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{self._life.pid}/ns/net").readlink() == own:
            assert self._life.poll() is None, "this system lets tests make no network; CAP_SYS_ADMIN is needed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self._life.pid


def ip(*arguments: str) -> None:
    """Change this machine's network."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Team:
    """The project, the machines, and the token that one of them has."""

    project: Project
    token: str
    ada: Machine
    grace: Machine
    stranger: Machine


@pytest.fixture(scope="module")
def team(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """As the README starts it, with a network of our own in place of the company's."""
    scratch: Path = tmp_path_factory.mktemp("team")
    policy = scratch / "drydock.toml"
    policy.write_text((REPOSITORY / "drydock.toml").read_text() + f"\n[upstream]\nprivate_hosts = {json.dumps(PLAYED)}\n")
    written = readme_lines()
    made = subprocess.run(
        ["sh", "-c", written["token"]], env={**os.environ, "HOME": str(scratch)}, capture_output=True, text=True, check=True
    )
    assert made.stdout == ""
    token = (scratch / "drydock-team" / "token").read_text().strip()
    with ExitStack() as machines:

        def machine(name: str, last: int, **env: str) -> Machine:
            made = Machine(name, last, **env)
            machines.callback(made.remove)
            return made

        ada = machine("ada", 33, DRYDOCK_TOKEN_FILE=str(scratch / "drydock-team" / "token"))
        grace, stranger = machine("grace", 34), machine("stranger", 65)
        settings = {
            "DRYDOCK_BIND": BIND,
            "DRYDOCK_TEAM": f"{NETWORK}.32/28",
            "DRYDOCK_TOKEN": str(scratch / "drydock-team" / "token"),
        }
        env = {"DRYDOCK_TAG": "test-team", "DRYDOCK_NETWORK": "10.213.110", "E2E_POLICY": str(policy), **settings}
        assert settings.keys() == dict(re.findall(r"(DRYDOCK_\w+)=(\S+)", written["export"])).keys()
        project = declare_project("team", FILES, env)
        project.build()
        project.compose("up", "--detach", "--wait", "internet")
        started = project.compose(*written["up"].split()[-4:], check=False)
        assert started.returncode == 0, started.stderr + project.logs("proxy")
        yield Team(project, token, ada, grace, stranger)


def readme_lines() -> dict[str, str]:
    """Return the three lines of the README by which one proxy is started for a team: token, export and up."""
    text = (REPOSITORY / "README.md").read_text().partition("## One proxy for a team")[2]
    token, export, up = re.findall(r"^\$ (.*)$", text.partition("## ")[0], re.MULTILINE)
    assert up.startswith("docker compose -f compose.yml -f docker/team.compose.yml up ")
    return {"token": token, "export": export, "up": up}


def test_what_one_machine_fetched_another_gets_from_the_store(team: Team) -> None:
    """The same bytes, and upstream saw one request."""
    first, digest = team.ada.python(FETCH, URL).rsplit(" ", 1)
    second, same = team.grace.python(FETCH, URL).rsplit(" ", 1)
    assert (first.startswith("drydock; fwd=uri-miss"), second) == (True, "drydock; hit")
    assert digest == same
    internet = Internet(team.project.port("internet", 8081))
    assert internet.count(BUNDLE) == 1


def test_a_machine_that_is_not_named_gets_nothing(team: Team) -> None:
    """On the same network, with a private address: closed without a byte, and 403 at the status port."""
    assert team.stranger.python(KNOCK).splitlines() == ["3128 b''", "8080 403"]
    assert f"--allow-client {NETWORK}.65" in team.project.logs("proxy")


def test_a_rehearsal_from_a_machine_needs_the_token(team: Team) -> None:
    """The one that has it begins and ends a rehearsal; the other may read and no more. The token is in no log."""
    drydock = str(Path(sys.executable).with_name("drydock"))
    command = [drydock, "rehearse", "--proxy", f"http://{BIND}:8080"]
    refused = team.grace.run(*command, "--", "true", check=False)
    assert refused.returncode == 1
    assert "The token is wrong or missing" in refused.stderr
    assert "hits" in team.grace.run(*command, "--so-far", check=False).stdout
    done = team.ada.run(*command, "--", sys.executable, "-c", FETCH, BIND, URL)
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
    assert {Path(secret["target"]).name for secret in proxy["secrets"]} >= {
        "token",
        "corporate_ca",
    }  # as its settings name them


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
