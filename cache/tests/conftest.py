"""Fixtures for tests of the store and of the exchange, with the misbehaving upstream as the internet."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drydock_cache import fetch
from drydock_cache.cli import main
from drydock_cache.configuration import parse_resolve
from drydock_cache.index import Index
from drydock_cache.store import Store
from drydock_cache.upstream_settings import UpstreamSettings

from cache.tests.command_line import Done, Run
from cache.tests.harness import POLICY, Drydock
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

type StartDrydock = Callable[..., Drydock]
type OpenStore = Callable[..., Store]
type OpenIndex = Callable[..., Index]


@pytest.fixture
def internet(start_upstream: Callable[..., Upstream]) -> Upstream:
    """The misbehaving upstream, with assets.example, index.example and other.example."""
    return start_upstream("assets.example", "index.example", "other.example")


@pytest.fixture(scope="session")
def machine_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small stand-in for the system's certificates: OpenSSL takes a tenth of a second to read the real ones."""
    return Authority.create("Machine root").write(tmp_path_factory.mktemp("machine") / "root.pem")


@pytest.fixture
def small_trust(machine_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the stand-in the system's certificates of this process."""
    monkeypatch.setenv("SSL_CERT_FILE", str(machine_root))


@pytest.fixture
def settings(internet: Upstream, authority_file: Path, small_trust: None) -> UpstreamSettings:
    """How the internet of the tests is reached."""
    return UpstreamSettings(resolve=parse_resolve(internet.resolve), ca_files=(authority_file,))


@pytest.fixture
async def start_drydock(
    settings: UpstreamSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StartDrydock]:
    """Starts exchanges: start_drydock(root, policy=…, mode=…); all end with the test. They pause but briefly between tries."""
    monkeypatch.setattr(fetch, "_PAUSE_SECONDS", 0.01)
    async with AsyncExitStack() as stack:

        def start(root: Path | None = None, policy: str = POLICY, **changes: Any) -> Drydock:
            drydock = Drydock(root or tmp_path / "store", replace(settings, **changes), policy)
            stack.push_async_callback(drydock.close)
            return drydock

        yield start


@pytest.fixture
async def drydock(start_drydock: StartDrydock) -> Drydock:
    """An exchange with a store of its own."""
    return start_drydock()


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    """Opens stores as the commands do; all are closed with the test."""
    with ExitStack() as stack:

        def start(root: Path, how: Callable[[Path], Store] = Store.open) -> Store:
            store = how(root)
            stack.callback(store.close)
            return store

        yield start


@pytest.fixture
def open_index() -> Iterator[OpenIndex]:
    """Opens indexes: open_index(path, read_only=…); all are closed with the test."""
    with ExitStack() as stack:

        def start(path: Path, *, read_only: bool = False) -> Index:
            index = Index(path, read_only=read_only)
            stack.callback(index.close)
            return index

        yield start


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_trust: None) -> Path:
    """A folder with a policy, to run in; the machine's own proxies and settings do not count."""
    (tmp_path / "drydock.toml").write_text('pin = ["assets.example"]\nrevalidate = ["index.example"]\n')
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith("DRYDOCK_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process, in `place`: command("warm", "--url", …)."""
    monkeypatch.chdir(place)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["drydock", *arguments])
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        return Done(status, *capfd.readouterr())

    return run
