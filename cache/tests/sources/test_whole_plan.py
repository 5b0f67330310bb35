"""A plan for a Python Worker, made with the real workerd, pywrangler and uv."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.plan import AssetKind, plan_from_json, plan_to_json
from drydock_cache.planning import make_plan
from drydock_cache.sources.npm_lock import NpmPlatform

_NEWEST = "1.20261117.1"
_HEX = "ab" * 32
_CONFIG = {
    "name": "hello",
    "main": "src/entry.py",
    "compatibility_date": "2026-10-01",
    "compatibility_flags": ["python_workers"],
    "env": {"staging": {}, "older": {"compatibility_date": "2025-10-01"}},
}
_NPM_LOCK = {
    "lockfileVersion": 3,
    "packages": {"node_modules/wrangler": {"version": "4.164.0", "integrity": "sha512-x"}},
}


def _pylock(digest: str) -> str:
    return (
        'lock-version = "1.0"\n[[packages]]\nname = "fastapi"\nversion = "1"\n'
        f'wheels = [{{ url = "https://files.example.com/f-1-py3-none-any.whl", size = 9, hashes = {{ sha256 = "{digest}" }} }}]\n'
    )


def _worker(folder: Path, **more: object) -> Path:
    folder.mkdir()
    (folder / "wrangler.jsonc").write_text(json.dumps({**_CONFIG, **more}))
    return folder


@pytest.mark.online
def test_a_python_worker_needs_bundles_for_each_runtime_an_interpreter_wheels_and_npm_packages(
    workerd: Callable[[str], Path], pywrangler_path: str, tmp_path: Path
) -> None:
    worker = _worker(tmp_path / "hello")
    (worker / "pyproject.toml").write_text('[project]\nname = "hello"\nversion = "0"\ndependencies = ["fastapi"]\n')
    (worker / "pylock.toml").write_text(_pylock(_HEX))
    (worker / "package-lock.json").write_text(json.dumps(_NPM_LOCK))
    environ = {"PATH": pywrangler_path, "HOME": str(tmp_path), "npm_config_registry": "https://npm.example.com/"}
    plan = make_plan([worker], workerd(_NEWEST), environ, NpmPlatform("linux", "x64", "glibc"))
    # Whether a CPython must be fetched too depends on the machine.
    listed = [(asset.kind, asset.url.rpartition("/")[2], asset.digest) for asset in plan.assets if "cpython" not in asset.url]
    assert listed == [
        (AssetKind.INTERPRETER, "xbuildenv-314.0.7.tar.gz", None),
        (AssetKind.WHEEL, "f-1-py3-none-any.whl", Digest(_HEX)),
        (AssetKind.NPM, "wrangler-4.164.0.tgz", None),
        (
            AssetKind.BUNDLE,
            "pyodide_0.28.2_2025-01-16_22.capnp.bin",
            Digest.parse("sha256-rQ2vqR3Q6Y+EXM1imNkrlp5swgi5ZIFwtZb6t7vpyNo="),
        ),
        (
            AssetKind.BUNDLE,
            "pyodide_314.0.6_2026-08-17_11.capnp.bin",
            Digest.parse("sha256-NItCLHMj/EjOzDcedzbUDicMYO9n9q0loNUX4scRvbE="),
        ),
    ]
    assert {asset.worker for asset in plan.assets} == {"hello"}
    assert plan.notes == ("hello: package-lock.json names no addresses, so npm ci also reads index pages (1).",)
    assert plan_from_json(plan_to_json(plan), "plan.json") == plan


@pytest.mark.online
def test_a_worker_without_a_python_project_is_not_synced_and_needs_its_runtime_alone(
    workerd: Callable[[str], Path], tmp_path: Path
) -> None:
    plan = make_plan([_worker(tmp_path / "old", env={})], workerd(_NEWEST), {"PATH": "/nonexistent", "HOME": str(tmp_path)})
    assert [(asset.kind, asset.worker) for asset in plan.assets] == [(AssetKind.BUNDLE, "hello")]


@pytest.mark.online
def test_a_worker_that_was_never_synced_is_noted(workerd: Callable[[str], Path], pywrangler_path: str, tmp_path: Path) -> None:
    worker = _worker(tmp_path / "hello", env={})
    (worker / "pyproject.toml").write_text('[project]\nname = "hello"\nversion = "0"\ndependencies = ["fastapi"]\n')
    plan = make_plan([worker], workerd(_NEWEST), {"PATH": pywrangler_path, "HOME": str(tmp_path)})
    assert plan.notes == ("hello has no pylock.toml yet; its packages are found by the first pywrangler sync.",)
    assert plan.unresolved == ("hello",)
    assert all(re.fullmatch(r"pywrangler \d+\.\d+\.\d+ sync runs Python 3\.14", one.reason) for one in plan.assets[:-1])
    assert plan.assets[-1].reason == f"workerd {_NEWEST} asks for it at compatibility date 2026-10-01, python_workers"


@pytest.mark.online
def test_a_pylock_may_lie_where_the_worker_was_synced(
    workerd: Callable[[str], Path], pywrangler_path: str, tmp_path: Path
) -> None:
    """In a container that is another place than the sources; one beside the sources counts more."""
    worker = _worker(tmp_path / "folder", env={})
    (worker / "pyproject.toml").write_text('[project]\nname = "hello"\nversion = "0"\ndependencies = ["fastapi"]\n')
    (tmp_path / "pylocks").mkdir()
    (tmp_path / "pylocks" / "folder.toml").write_text(_pylock("cd" * 32))

    def wheels() -> list[Digest | None]:
        environ = {"PATH": pywrangler_path, "HOME": str(tmp_path)}
        plan = make_plan([worker], workerd(_NEWEST), environ, pylocks=tmp_path / "pylocks")
        assert plan.unresolved == ()
        return [asset.digest for asset in plan.assets if asset.kind is AssetKind.WHEEL]

    assert wheels() == [Digest("cd" * 32)]
    (worker / "pylock.toml").write_text(_pylock(_HEX))
    assert wheels() == [Digest(_HEX)]


@pytest.mark.online
def test_two_locks_that_disagree_about_one_url_stop_the_plan(
    workerd: Callable[[str], Path], pywrangler_path: str, tmp_path: Path
) -> None:
    workers = []
    for name, digest in (("one", _HEX), ("two", "cd" * 32)):
        worker = _worker(tmp_path / name, name=name, env={})
        (worker / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0"\ndependencies = ["fastapi"]\n')
        (worker / "pylock.toml").write_text(_pylock(digest))
        workers.append(worker)
    with pytest.raises(ConfigError) as wrong:
        make_plan(workers, workerd(_NEWEST), {"PATH": pywrangler_path, "HOME": str(tmp_path)})
    assert wrong.value.message == (
        f"https://files.example.com/f-1-py3-none-any.whl has two digests: one expects sha256:{_HEX}, two expects sha256:{'cd' * 32}."
    )
