"""A lock for a Python Worker, made with the real workerd, from what it asks for and insists on."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.lockfile import read_locks
from drydock_cache.plan import AssetKind

from cache.tests.command_line import Run, outside
from tests.upstream.scripted import Upstream

NEWEST, FIRST = "1.20261117.1", "1.20241127.0"
NEWEST_HOST, FIRST_HOST = "pyodide-capnp-bin.edgeworker.net", "pyodide.runtime-playground.workers.dev"
NEWEST_PATH = "/pyodide_314.0.6_2026-08-17_11.capnp.bin"
FIRST_PATH = "/pyodide-capnp-bin/pyodide_0.26.0a2_2024-03-01_3.capnp.bin"
# What the newest runtime's refusal of other bytes names.
INSISTED = Digest.parse("sha256-NItCLHMj/EjOzDcedzbUDicMYO9n9q0loNUX4scRvbE=")


@pytest.fixture
def lock(command: Run, place: Path, start_upstream: Callable[..., Upstream], authority_file: Path) -> Run:
    """Runs drydock lock for a Worker, where the hosts of bundles send bytes that are none: lock("1.2", "--check", …)."""
    (place / "drydock.toml").write_text(f'pin = ["{NEWEST_HOST}", "{FIRST_HOST}"]\n')
    (place / "hello").mkdir()
    write_worker(place, "2024-11-01")
    upstream = start_upstream(NEWEST_HOST, FIRST_HOST)
    upstream.route(NEWEST_PATH, BODY)
    upstream.route(FIRST_PATH, BODY)
    return lambda workerd, *arguments: command(
        "lock", "hello", "--workerd", str(workerd), *arguments, *outside(upstream, authority_file)
    )


BODY = os.urandom(10_000)


def write_worker(place: Path, date: str) -> None:
    config = {"name": "hello", "main": "entry.py", "compatibility_date": date, "compatibility_flags": ["python_workers"]}
    (place / "hello/wrangler.jsonc").write_text(json.dumps(config))


@pytest.mark.online
def test_a_poisoned_first_download_is_caught_by_what_the_runtime_insists_on(
    lock: Run, place: Path, workerd: Callable[[str], Path]
) -> None:
    """Nobody ever fetched the bundle before, and still its bytes are refused with the digest that the runtime named."""
    write_worker(place, "2026-10-01")
    done = lock(workerd(NEWEST))
    assert done.returncode == 1
    assert f"expected {INSISTED}, found {Digest.of(BODY)}" in done.stderr
    assert not (place / "assets.lock").exists()


@pytest.mark.online
def test_check_notices_another_runtime(lock: Run, place: Path, workerd: Callable[[str], Path]) -> None:
    """A runtime that checks nothing is locked by what came first; another version, or another date, is out of date."""
    assert lock(workerd(FIRST)).returncode == 0
    (asset,) = read_locks([place / "assets.lock"]).assets
    assert (asset.url, asset.digest, asset.size) == (f"https://{FIRST_HOST}{FIRST_PATH}", Digest.of(BODY), len(BODY))
    assert (asset.kind, asset.workers) == (AssetKind.BUNDLE, ("hello",))
    assert asset.why == f"workerd {FIRST} asks for it at compatibility date 2024-11-01, python_workers"
    assert lock(workerd(FIRST), "--check").returncode == 0
    other = lock(workerd(NEWEST), "--check")
    assert other.returncode == 1
    assert f"gone: https://{FIRST_HOST}{FIRST_PATH} (workerd {FIRST} asks for it" in other.stdout
    assert f"new: https://{NEWEST_HOST}/" in other.stdout
    assert f"(workerd {NEWEST} asks for it at compatibility date 2024-11-01, python_workers)" in other.stdout
    write_worker(place, "2024-10-01")
    later = lock(workerd(FIRST), "--check")
    assert "at compatibility date 2024-11-01, python_workers', asked for because 'workerd" in later.stdout
