"""The real clients before an impostor: python -m tests.integration.handshaking prints the table of ARCHITECTURE.md."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from drydock_cache.client_environment import client_variables

from tests import kept
from tests.integration.impostor import Impostor, stolen
from tests.integration.running import plain_environment

INSIDE, OUTSIDE = "inside.example", "outside.example"
FIRST_WORKERD, FIRST_HOST = "1.20241127.0", "pyodide.runtime-playground.workers.dev"
NEWEST_HOST = "pyodide-capnp-bin.edgeworker.net"
_DISTRUST = re.compile(r"subtree|NameConstraint|expired|not trusted|verification failed", re.IGNORECASE)
_NOISE = re.compile(r"\x1b\[[0-9;]*m|\s*stack: .*|'?https?://\S+|\S*/tmp/\S+|: verification time .*|\s*CAfile: .*")
_BEFORE = re.compile(
    r"^.*(?:error: |problem: |verify result: |verify failed: |reason[:=]? ?=? |peer certificate: |access  )|[ >(]*_ssl.*$"
)
_PYTHON = """
import sys
url = sys.argv[1]
try:
    {fetch}
except Exception as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""


class Shown(StrEnum):
    """Which leaf the impostor shows."""

    INSIDE = "a host of the policy"
    OUTSIDE = "any other host"
    EXPIRED = "an expired leaf"


@dataclass(frozen=True)
class Outcome:
    """Whether a client sent a request, which it does after a handshake alone, and what it said."""

    accepted: bool
    said: str

    @property
    def reason(self) -> str:
        """What it said of the certificate, in one short line; empty when it said nothing of it."""
        lines = [_NOISE.sub("", line).strip() for line in self.said.splitlines() if _DISTRUST.search(line)]
        return _BEFORE.sub("", min(lines, key=len, default=""))


@dataclass(frozen=True)
class Client:
    """A client: the command that says its version, and how it asks for something."""

    version: Callable[[], str]
    ask: Callable[[Shown], Outcome]


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return next(iter((done.stdout or done.stderr).splitlines()), "")


def _by_proxy(command: Callable[[str, Path], list[str]], extra: Mapping[str, str] | None = None) -> Callable[[Shown], Outcome]:
    """Return what runs a command, made of a base URL and a folder of its own, with the variables of `drydock env`."""

    def ask(shown: Shown) -> Outcome:
        host = OUTSIDE if shown is Shown.OUTSIDE else INSIDE
        chain = stolen([INSIDE], host, age=70 if shown is Shown.EXPIRED else 0)
        with tempfile.TemporaryDirectory() as folder, Impostor(chain) as impostor:
            place = Path(folder)
            (root := place / "root.pem").write_bytes(chain.root)
            variables = client_variables(f"http://127.0.0.1:{impostor.port}", root, place / "bundle.pem")
            env = plain_environment(place) | variables | dict(extra or {})
            done = subprocess.run(
                command(f"https://{host}", place), capture_output=True, text=True, env=env, cwd=place, timeout=60, check=False
            )
            assert bool(impostor.asked) == (done.returncode == 0), f"{impostor.asked} {done.stdout} {done.stderr}"
            return Outcome(bool(impostor.asked), done.stdout + done.stderr)

    return ask


def _python(fetch: str) -> Callable[[Shown], Outcome]:
    return _by_proxy(lambda url, _: [sys.executable, "-c", _PYTHON.format(fetch=fetch), f"{url}/x"])


def _in_closed_place(workerd: Callable[[], Path], host: str) -> Callable[[Shown], Outcome]:
    """Return what runs a workerd, which knows no proxies: for it the impostor is the only host there is."""

    def ask(shown: Shown) -> Outcome:
        permitted, age = (INSIDE if shown is Shown.OUTSIDE else host), ("70" if shown is Shown.EXPIRED else "0")
        command = [sys.executable, "-m", "tests.integration.closed_workerd", str(workerd()), host, permitted, age]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=kept.REPOSITORY)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        return Outcome(bool(told["asked"]), told["said"])

    return ask


def _package_version(path: Path) -> str:
    manifest = json.loads((path / "package.json").read_text())
    return str(manifest["version"])


def _newest() -> Path:
    (found,) = (kept.toolchain() / "node_modules/@cloudflare").glob("workerd-linux-*/bin/workerd")
    return found


def _pip() -> str:
    """Return an interpreter that has pip: the one that runs the tests need not."""
    for folder in (str(Path(sys.executable).parent), *os.environ["PATH"].split(os.pathsep)):
        python = Path(folder) / "python3"
        if python.exists() and _output([str(python), "-m", "pip", "--version"]).startswith("pip "):
            return str(python)
    raise FileNotFoundError("no Python on PATH has pip")


def _git(url: str, place: Path) -> list[str]:
    """Let git list what a repository has; it must not look for one around its folder."""
    return ["env", f"GIT_CEILING_DIRECTORIES={place.parent}", "git", "ls-remote", f"{url}/repo.git"]


def _wrangler(url: str, place: Path) -> list[str]:
    """Let wrangler ask Cloudflare's API, which is wherever a variable says."""
    (tell := place / "tell.cjs").write_text(_TELL)
    wrangler = str(kept.toolchain() / "node_modules/.bin/wrangler")
    variables = [f"CLOUDFLARE_API_BASE_URL={url}/client/v4", f"NODE_OPTIONS=--require={tell}"]
    return ["env", *variables, wrangler, "kv", "namespace", "list"]


# wrangler says of every failed connection that a request failed; why, its undici tells who listens.
_TELL = """
const channels = require("node:diagnostics_channel");
channels.subscribe("undici:client:connectError", message => console.error(String(message.error)));
channels.subscribe("undici:request:error", message => console.error(String(message.error)));
"""
_FETCH = (
    "const r = await fetch(process.argv[1]).catch(e => { console.error(String(e.cause)); process.exit(1) }); await r.text()"
)
_QUIET_WRANGLER = {
    "WRANGLER_SEND_METRICS": "false",
    "WRANGLER_HIDE_BANNER": "true",
    "WRANGLER_SEND_ERROR_REPORTS": "false",
    "CLOUDFLARE_API_TOKEN": "x" * 40,
    "CLOUDFLARE_ACCOUNT_ID": "a" * 32,
}

CLIENTS = {
    "curl": Client(
        lambda: "{1} ({4})".format(*_output(["curl", "--version"]).split()),
        _by_proxy(lambda url, _: ["curl", "--disable", "-sS", f"{url}/x"]),
    ),
    "wget": Client(
        lambda: _output(["wget", "--version"]).split()[2],
        _by_proxy(lambda url, place: ["wget", "-nv", "-t1", "-O-", f"--ca-certificate={place}/root.pem", f"{url}/x"]),
    ),
    "git": Client(
        lambda: _output(["git", "--version"]).split()[-1],
        _by_proxy(_git, {"GIT_CONFIG_SYSTEM": os.devnull}),
    ),
    "Python ssl": Client(
        lambda: ".".join(map(str, sys.version_info[:3])),
        _python("import urllib.request; urllib.request.urlopen(url, timeout=20).read()"),
    ),
    "httpx": Client(
        lambda: _output([sys.executable, "-c", "import httpx; print(httpx.__version__)"]),
        _python("import httpx; httpx.get(url, timeout=20).raise_for_status()"),
    ),
    "pip": Client(
        lambda: _output([_pip(), "-m", "pip", "--version"]).split()[1],
        _by_proxy(
            lambda url, _: [_pip(), "-m", "pip", "download", "--retries=0", "--no-deps", f"{url}/thing-1.0-py3-none-any.whl"],
            {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        ),
    ),
    "uv": Client(
        lambda: _output(["uv", "--version"]).split()[1],
        _by_proxy(
            lambda url, place: [
                *("uv", "pip", "install", "--no-deps", "--no-cache", "--python", sys.executable, "--target", str(place / "t")),
                f"thing @ {url}/thing-1.0-py3-none-any.whl",
            ],
            {"UV_HTTP_RETRIES": "0"},
        ),
    ),
    "Node fetch": Client(
        lambda: _output(["node", "--version"]).removeprefix("v"),
        _by_proxy(lambda url, _: ["node", "--input-type=module", "--eval", _FETCH, f"{url}/x"]),
    ),
    "npm": Client(
        lambda: _output(["npm", "--version"]),
        _by_proxy(lambda url, _: ["npm", "pack", f"{url}/thing-1.0.0.tgz"], {"npm_config_fetch_retries": "0"}),
    ),
    "wrangler": Client(
        lambda: _package_version(kept.toolchain() / "node_modules/wrangler"),
        _by_proxy(_wrangler, _QUIET_WRANGLER),
    ),
    "workerd of 2024": Client(lambda: FIRST_WORKERD, _in_closed_place(lambda: kept.workerd(FIRST_WORKERD), FIRST_HOST)),
    "workerd": Client(lambda: _package_version(_newest().parents[1]), _in_closed_place(_newest, NEWEST_HOST)),
}


def missing(name: str) -> str:
    """Say which program a client lacks here; empty when it can run."""
    needed = {"curl", "wget", "git", "uv", "npm"} & {name} or ({"node"} if name in {"Node fetch", "wrangler"} else set())
    return ", ".join(program for program in needed if shutil.which(program) is None)


def main() -> None:
    """Print the table in Markdown."""
    print("| client | version | a host of the policy | any other host, in its words | an expired leaf, in its words |")
    print("|---|---|---|---|---|")
    for name, client in CLIENTS.items():
        inside, outside, expired = (client.ask(shown) for shown in Shown)
        cells = ["accepted" if one.accepted else f"`{one.reason}`" for one in (inside, outside, expired)]
        print("|", " | ".join([name, client.version(), *cells]), "|")


if __name__ == "__main__":
    main()
