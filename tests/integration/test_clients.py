"""The real clients with the variables of `drydock env`: each first online, then again offline with an empty cache of its own."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy, drydock, machine_environment
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

HERE = Path(__file__).parent
POLICY = 'pin = ["assets.example"]\ntunnel = ["tunnel.example"]\nregistries = ["python", "npm"]\n'
# Settings of the machine that would let a client find what it needs elsewhere, or lead it past the proxy.
ELSEWHERE = (
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "UV_FIND_LINKS",
    "UV_OFFLINE",
    "SSL_CERT_DIR",
    "UV_CACHE_DIR",
    "NO_PROXY",
    "no_proxy",
)


@dataclass(frozen=True)
class Proxies:
    """One proxy that may go out and one that may not, on one store, with the settings of this machine's clients."""

    online: RunningProxy
    offline: RunningProxy
    upstream: Upstream
    authority: Path
    variables: dict[str, str]  # as `drydock env` prints them for the first


@pytest.fixture(scope="module")
def proxies(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    """Start both; registries are where pip's and npm's own configuration says."""
    place = tmp_path_factory.mktemp("clients")
    ca = authority.write(place / "internet.pem")
    with Upstream(authority, "assets.example", "tunnel.example") as upstream, ExitStack() as stack:
        settings = {"resolve": upstream.resolve, "upstream_ca": ca, "environment": machine_environment()}
        online = stack.enter_context(RunningProxy(place, POLICY, **settings))  # type: ignore[arg-type]
        offline = stack.enter_context(RunningProxy(place, POLICY, mode="offline", environment=machine_environment()))
        yield Proxies(online, offline, upstream, ca, printed(online, place))


def printed(proxy: RunningProxy, place: Path) -> dict[str, str]:
    """Return the variables that `drydock env` prints for a shell."""
    lines = subprocess.run(
        [drydock(), "env", "--proxy", proxy.proxy_url, "--ca", str(proxy.ca), "--bundle", str(place / "bundle.pem")],
        capture_output=True,
        text=True,
        check=True,
        env=machine_environment(),
    ).stdout
    return dict(one.split("=", 1) for one in shlex.split(lines.replace("export ", "")))


def run(
    proxies: Proxies, proxy: RunningProxy, place: Path, *command: str, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a client in a fresh folder, which also holds its caches, with the printed variables; `proxy` is the one to use."""
    place.mkdir()
    variables = {name: value.replace(proxies.online.proxy_url, proxy.proxy_url) for name, value in proxies.variables.items()}
    own = {"UV_CACHE_DIR": str(place / "uv"), "npm_config_cache": str(place / "npm"), "PIP_NO_CACHE_DIR": "1"}
    env = {name: value for name, value in machine_environment().items() if name not in ELSEWHERE}
    env |= variables | own | dict(extra or {})
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=place, env=env)


def both(proxies: Proxies, tmp_path: Path, *command: str, made: Callable[[Path], bool]) -> None:
    """Run a client online and offline; what it makes must be there each time, and the second time nothing may leave."""
    before = sum(proxies.online.stats()["requests"].values())
    first = run(proxies, proxies.online, tmp_path / "first", *command)
    if first.returncode != 0 and any(line.get("outcome") == "error" for line in proxies.online.log_lines()):
        pytest.skip(f"no package index can be reached from here: {first.stderr.strip()[-300:]}")
    assert first.returncode == 0, first.stdout + first.stderr
    assert made(tmp_path / "first")
    assert sum(proxies.online.stats()["requests"].values()) > before, "the client went past the proxy"
    second = run(proxies, proxies.offline, tmp_path / "second", *command)
    assert second.returncode == 0, second.stdout + second.stderr + proxies.offline.output()
    assert made(tmp_path / "second")
    told = proxies.offline.stats()
    assert told["upstream_connections"] == 0
    assert set(told["requests"]) <= {"hit", "stale"}


@pytest.mark.online
def test_uv_installs_a_package(proxies: Proxies, tmp_path: Path) -> None:
    """`uv pip install` resolves and installs, and does so again from the store alone."""
    command = ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", "installed", "iniconfig==2.1.0"]
    both(proxies, tmp_path, *command, made=lambda place: (place / "installed" / "iniconfig" / "__init__.py").is_file())


@pytest.mark.online
def test_pip_downloads_a_package(proxies: Proxies, tmp_path: Path) -> None:
    """`pip download` finds and fetches a wheel, and does so again from the store alone."""
    command = [_python_with_pip(), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "wheels", "iniconfig==2.0.0"]
    both(proxies, tmp_path, *command, made=lambda place: len(list((place / "wheels").glob("iniconfig-2.0.0-*.whl"))) == 1)


@pytest.mark.online
def test_npm_installs_from_a_lock_without_addresses(proxies: Proxies, tmp_path: Path) -> None:
    """`npm ci` takes the package from wherever npm's own registry is, and does so again from the store alone."""
    files = shlex.join(str(HERE / "npm" / name) for name in ("package.json", "package-lock.json"))
    script = f"cp {files} . && npm ci --silent --no-audit --no-fund"
    both(proxies, tmp_path, "sh", "-c", script, made=lambda place: (place / "node_modules" / "ms" / "index.js").is_file())


def _python_with_pip() -> str:
    """Return an interpreter that has pip: the one that runs the tests need not."""
    for folder in (str(Path(sys.executable).parent), *os.environ["PATH"].split(os.pathsep)):
        python = Path(folder) / "python3"
        if (
            python.exists()
            and subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
        ):
            return str(python)
    pytest.skip("no Python on PATH has pip")


def _node_major() -> int:
    shown = (
        subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
        if shutil.which("node")
        else ""
    )
    return int(shown.removeprefix("v").partition(".")[0] or 0)


@pytest.mark.skipif(
    _node_major() < 24, reason="Node before 24 has no fetch that knows proxies; the test image brings a newer one"
)
def test_node_fetches(proxies: Proxies, tmp_path: Path) -> None:
    """Node's fetch finds the proxy and believes its CA by the printed variables alone, online and offline."""
    proxies.upstream.route("/node.bin", b"for node")
    script = 'const r = await fetch("https://assets.example/node.bin"); console.log(r.status, await r.text())'
    for name, proxy in (("first", proxies.online), ("second", proxies.offline)):
        done = run(proxies, proxy, tmp_path / name, "node", "--input-type=module", "--eval", script)
        assert done.stdout == "200 for node\n", done.stderr
    assert proxies.upstream.count("/node.bin") == 1


def test_curl_fetches(proxies: Proxies, tmp_path: Path) -> None:
    """curl finds the proxy and believes its CA by the printed variables alone, online and offline."""
    proxies.upstream.route("/curl.bin", b"for curl")
    for name, proxy in (("first", proxies.online), ("second", proxies.offline)):
        done = run(
            proxies, proxy, tmp_path / name, "curl", "--disable", "--silent", "--show-error", "https://assets.example/curl.bin"
        )
        assert done.stdout == "for curl", done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed; the test image brings it")
def test_git_clones_through_a_tunnel(proxies: Proxies, tmp_path: Path) -> None:
    """git reaches a tunnelled host, whose certificate it verifies itself."""
    quiet = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    who = ["-c", "user.name=x", "-c", "user.email=x@example"]
    for step in (["init", "--quiet", "."], ["commit", "--quiet", "--allow-empty", "-m", "first"], ["update-server-info"]):
        origin = tmp_path / "origin"
        origin.mkdir(exist_ok=True)
        subprocess.run(["git", *who, *step], cwd=origin, env=quiet, check=True, capture_output=True)
    for file in (origin / ".git").rglob("*"):
        if file.is_file():
            proxies.upstream.route(f"/origin.git/{file.relative_to(origin / '.git')}", file.read_bytes())
    trust = {**quiet, "GIT_SSL_CAINFO": str(proxies.authority)}
    clone = ["git", "clone", "--quiet", "https://tunnel.example/origin.git", "cloned"]
    done = run(proxies, proxies.online, tmp_path / "first", *clone, extra=trust)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "first" / "cloned" / ".git" / "HEAD").is_file()


def test_the_lock_of_the_test_names_no_address() -> None:
    """Where the package comes from is the machine's business."""
    lock = json.loads((HERE / "npm" / "package-lock.json").read_text())
    assert [package for package in lock["packages"].values() if "resolved" in package] == []
