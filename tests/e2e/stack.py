"""The stack in a test's hands: the project's own compose file with the world outside played by containers."""

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from tests.compose import REPOSITORY, Project
from tests.internet.client import Internet

WORLD = ("compose.yml", "tests/e2e/internet.compose.yml", "tests/e2e/world.compose.yml")
STACK_2024 = (*WORLD, "tests/e2e/stack.compose.yml")
STACK_NEWEST = (*WORLD, "tests/e2e/newest.compose.yml")
# wrangler and workerd of 2024: their Pyodide bundle lies in an npm package, so the real thing can be downloaded in a test.
RUNTIME_2024 = {"WRANGLER_VERSION": "3.92.0", "WORKERD_VERSION": "1.20241127.0", "DRYDOCK_TAG": "test-2024"}
RUNTIME_NEWEST = {"DRYDOCK_TAG": "test-newest"}
# The containers that play the internet have private addresses, which only hosts that are named here may resolve to.
PLAYED = (
    "pyodide.runtime-playground.workers.dev",
    "pyodide-capnp-bin.edgeworker.net",
    "storage.googleapis.com",
    "github.com",
    "release-assets.githubusercontent.com",
    "index.pyodide.org",
    "api.example.net",
    "api.cloudflare.com",
    "discord.com",
    "drydock.api.sanity.io",
)
CLIENT = build_opener(ProxyHandler({}))
# What runs inside a Worker's container to ask it, by no proxy: the status, and below it the body.
ASK = """
import sys, urllib.error, urllib.request
client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = client.open(sys.argv[1], timeout=30)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
"""


@dataclass(frozen=True)
class Stack:
    """A compose project with the stack; `network` is the first three numbers of its sealed network."""

    project: Project
    network: str

    @property
    def internet(self) -> Internet:
        """The control port of the container that plays the internet."""
        return Internet(self.project.port("internet", 8081))

    def hello(self, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Ask the Worker `hello` as a user does, on its published port; return status and body."""
        body = urlencode(form).encode() if form is not None else None
        return _ask(f"http://127.0.0.1:{self.project.port('gateway', 8786)}{path}", body)

    def hello_js(self, path: str) -> tuple[int, str]:
        """Ask the Worker `hello-js` on its published port."""
        return self.published(8785, path)

    def published(self, port: int, path: str) -> tuple[int, str]:
        """Ask whatever the gateway publishes for a Worker's port."""
        return _ask(f"http://127.0.0.1:{self.project.port('gateway', port)}{path}", None)

    def inside(self, service: str, path: str) -> tuple[int, str]:
        """Ask a Worker from inside its own container."""
        done = self.project.exec(service, "python3", "-c", ASK, f"http://127.0.0.1:8787{path}")
        status, _, body = done.stdout.partition("\n")
        return int(status), body.rstrip("\n")

    def address(self, service: str, network: str) -> str:
        """Return a running service's address on one of the project's networks; the host reaches it there."""
        container = self.project.compose("ps", "--quiet", service).stdout.strip()
        place = f'{{{{(index .NetworkSettings.Networks "{self.project.name}_{network}").IPAddress}}}}'
        command = ["docker", "inspect", "--format", place, container]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def stats(self) -> dict[str, Any]:
        """Return what the proxy counted since it started."""
        found: dict[str, Any] = json.loads(_ask(f"http://127.0.0.1:{self.project.port('proxy', 8080)}/stats", None)[1])
        return found

    def task(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of docker/tasks, which compose's own variables lead to this project."""
        files = ":".join(map(str, self.project.files))
        env = {**os.environ, **self.project.env, "COMPOSE_FILE": files, "COMPOSE_PROJECT_NAME": self.project.name}
        command = [str(REPOSITORY / "docker" / "tasks" / name), *arguments]
        return subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
        )

    def journal(self) -> list[dict[str, Any]]:
        """Return the proxy's JSON log lines."""
        lines = (line.partition("| ")[2] for line in self.project.logs("proxy").splitlines())
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_for_journal(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60) -> list[dict[str, Any]]:
        """Return the journal's lines that are wanted as soon as there is one."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [line for line in self.journal() if wanted(line)]
            return bool(found)

        self.wait_until(look, seconds)
        return found

    def wait_until(self, true: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until a condition holds; fail with the services' logs when it does not in time."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s in vain:\n{self.project.logs()}")
            time.sleep(0.3)


def declare_stack(
    declare: Callable[..., Project],
    scratch: Path,
    label: str,
    number: int,
    env: Mapping[str, str],
    files: Sequence[str] = STACK_2024,
) -> Stack:
    """Declare a project with the stack on the sealed network 10.213.`number`; nothing is started yet."""
    network = f"10.213.{number}"
    text = (REPOSITORY / "drydock.toml").read_text()
    text = text.replace("tunnel = [", 'tunnel = [\n    "api.example.net",', 1)
    path = scratch / "drydock.toml"
    path.write_text(f"{text}\n[upstream]\nprivate_hosts = {json.dumps(PLAYED)}\n")
    # Every published port becomes a free one, also that of a Worker which is added later.
    ports = dict.fromkeys(re.findall(r"\$\{(DRYDOCK_\w+_PORT):-", (REPOSITORY / "compose.yml").read_text()), "0")
    settings = {"DRYDOCK_NETWORK": network, "E2E_POLICY": str(path), **ports, **env}
    return Stack(declare(label, files, settings), network)


def new_password() -> str:
    """Return a password that no log can hold by chance."""
    return secrets.token_urlsafe(18)


def _ask(url: str, body: bytes | None) -> tuple[int, str]:
    try:
        with CLIENT.open(Request(url, body), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
