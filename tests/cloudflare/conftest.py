"""Fixtures for deployments: the toolchain of the worker image, synced copies of the Workers, and Cloudflare's API played."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests import kept
from tests.cloudflare.account import Cloudflare
from tests.cloudflare.api import ROOT, Api
from tests.upstream.log import Log
from tests.upstream.server import Server, listen

REPOSITORY = Path(__file__).resolve().parents[2]
ACCOUNT = "a" * 32
NAMESPACE = "b" * 32
NO_DATABASE = "00000000-0000-0000-0000-000000000000"
DATABASE = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"


@pytest.fixture(scope="session")
def toolchain() -> Path:
    """The folder with node_modules as the worker image has it, and pywrangler in `venv`, kept between runs."""
    return kept.toolchain()


@pytest.fixture(scope="session")
def vendored() -> Path:
    """What `pywrangler sync` puts into python_modules for both Workers: the test image's, or else installed once."""
    if image := os.environ.get("WORKERS_PYODIDE"):
        return Path(image) / "python_modules"
    vendor = REPOSITORY / "workers/pyodide/vendor.py"
    pins = [vendor, vendor.with_name("requirements.txt")]
    return kept.kept_for("python_modules", pins, lambda folder: _vendor(vendor, folder)) / "modules"


def _vendor(vendor: Path, folder: Path) -> None:
    kept.download(sys.executable, str(vendor), str(folder / "modules"))


@dataclass
class Played:
    """Cloudflare's API on a port of 127.0.0.1."""

    cloudflare: Cloudflare
    log: Log
    server: Server
    port: int

    def asked(self) -> list[tuple[str, str]]:
        """Return method and path of each request so far."""
        return [(request.method, request.path.removeprefix(ROOT)) for request in self.log.requests]

    def uploads(self) -> list[tuple[str, str]]:
        """Return those that would have changed something."""
        return [(method, path) for method, path in self.asked() if method != "GET"]


@pytest.fixture
def played() -> Iterator[Played]:
    """Cloudflare with one account, one valid token, one KV namespace and one D1 database."""
    cloudflare = Cloudflare(
        tokens={"valid-" + os.urandom(12).hex()}, accounts={ACCOUNT: "Ours"}, namespaces={NAMESPACE}, databases={DATABASE}
    )
    log = Log()
    listener = listen("127.0.0.1", 0, None)
    server = Server(Api(cloudflare).find, (listener,), log)
    server.start()
    yield Played(cloudflare, log, server, listener.socket.getsockname()[1])
    server.stop()
    assert not log.failures, log.failures


@dataclass(frozen=True)
class Deploy:
    """A synced copy of a Worker in `folder`, and how to deploy it."""

    folder: Path
    env: dict[str, str]
    arguments: tuple[str, ...] = field(default=())

    def configure(self, *edits: tuple[str, str]) -> "Deploy":
        """Replace text in wrangler.jsonc; what is not there is an error of the test."""
        file = self.folder / "wrangler.jsonc"
        text = file.read_text()
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        file.write_text(text)
        return self

    def with_env(self, **env: str) -> "Deploy":
        """Return the same with further variables; an empty one counts as unset."""
        return replace(self, env={name: value for name, value in {**self.env, **env}.items() if value})

    def __call__(self, *arguments: str, secrets: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the program that the worker container runs for `deploy`."""
        given = ["--secrets-stdin"] if secrets is not None else []
        command = [sys.executable, str(REPOSITORY / "docker/worker/worker-deploy"), "pywrangler", *given, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            input=secrets or "",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        token = self.env.get("CLOUDFLARE_API_TOKEN")
        assert token is None or token not in done.stdout + done.stderr
        return done


@pytest.fixture
def deploy(toolchain: Path, vendored: Path, played: Played, tmp_path: Path) -> Callable[..., Deploy]:
    """Gives a synced copy of a Worker, deploy("discord-bot"): with ids and values, unless `pristine`; of packages with the kit, or all."""

    def copy(name: str, *, pristine: bool = False, packages: bool = True) -> Deploy:
        folder = tmp_path / name
        shutil.copytree(
            REPOSITORY / "workers" / name, folder, ignore=shutil.ignore_patterns("python_modules", "__pycache__", ".*")
        )
        if packages:
            shutil.copytree(vendored, folder / "python_modules")
        kit = REPOSITORY / "workers/kit/src/worker_kit"
        shutil.copytree(kit, folder / "python_modules/worker_kit", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "node_modules").symlink_to(toolchain / "node_modules")
        _seem_synced(folder)
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        (token,) = played.cloudflare.tokens
        env = {
            "PATH": f"{toolchain / 'venv/bin'}:{toolchain / 'node_modules/.bin'}:{os.environ['PATH']}",
            "HOME": str(run),
            "DRYDOCK_RUN": str(run),
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_HIDE_BANNER": "true",
            "CLOUDFLARE_API_BASE_URL": f"http://127.0.0.1:{played.port}{ROOT}",
            "CLOUDFLARE_API_TOKEN": token,
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
        }
        made = Deploy(folder, env)
        if not pristine:
            made.configure(
                (f'"{"0" * 32}"', f'"{NAMESPACE}"'), (f'"{NO_DATABASE}"', f'"{DATABASE}"'), ("your-project-id", "p1")
            )
        return made

    return copy


def _seem_synced(folder: Path) -> None:
    """Write what pywrangler (1.17) looks at before it syncs, and the environment that a sync leaves."""
    python = folder / ".venv-workers/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for place in (folder / "python_modules", folder / ".venv-workers"):
        (place / ".synced").write_text("1.17.9")
