"""The plan: what Workers need is put together once, in a stable order, and survives being written and read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.plan import Asset, AssetKind, Plan, plan_from_json, plan_to_json
from drydock_cache.planning import make_plan
from drydock_cache.sources.npm_lock import NpmPlatform

_MACHINE = NpmPlatform("linux", "x64", "glibc")
_NO_WORKERD = Path("/nonexistent/workerd")
_HEX = "ab" * 32
_PLAN = Plan(
    (
        Asset("https://a.example.com/1", AssetKind.INTERPRETER, None, None, "sync", "hello"),
        Asset("https://a.example.com/2", AssetKind.WHEEL, Digest(_HEX), 5, "lock: ä", "hello, other"),
        Asset("https://a.example.com/3", AssetKind.NPM, None, None, "lock", "other", "sha512-xyz"),
    ),
    ("a note",),
    ("other",),
)


def _worker(folder: Path, config: dict[str, object], **files: str) -> Path:
    folder.mkdir()
    (folder / "wrangler.jsonc").write_text(json.dumps(config))
    for name, text in files.items():
        (folder / name.replace("__", "-").replace("_", ".")).write_text(text)
    return folder


def _npm_lock(**packages: str) -> str:
    entries = {f"node_modules/{name}": {"version": version, "integrity": "sha512-x"} for name, version in packages.items()}
    return json.dumps({"lockfileVersion": 3, "packages": entries})


def _environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": "/nonexistent", "HOME": str(tmp_path), "npm_config_registry": "https://npm.example.com/"}


def test_a_plan_is_read_back_as_it_was_written() -> None:
    assert plan_from_json(plan_to_json(_PLAN), "plan.json") == _PLAN


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(version=2), "P: expected a plan of version 1, found 2."),
        (lambda d: d.pop("notes"), "P is not a plan: KeyError 'notes'."),
        (lambda d: d.pop("unresolved"), "P is not a plan: KeyError 'unresolved'."),
        (lambda d: d["assets"][0].update(kind="x"), "P is not a plan: ValueError 'x' is not a valid AssetKind."),
        (
            lambda d: d["assets"][0].update(url="file:///etc/passwd"),
            "P is not a plan: ValueError expected an http or https URL, found 'file:///etc/passwd'.",
        ),
        (
            lambda d: d["assets"][0].update(size=-1),
            "P is not a plan: TypeError expected size to be a number of bytes, found -1.",
        ),
        (
            lambda d: d["assets"][0].update(size=True),
            "P is not a plan: TypeError expected size to be a number of bytes, found True.",
        ),
        (lambda d: d["assets"][0].update(reason=None), "P is not a plan: TypeError expected text, found None."),
        (
            lambda d: d["assets"][0].update(digest="sha256:1"),
            "P: '1' is not a sha256 digest: expected 64 lower-case hexadecimal digits.",
        ),
    ],
)
def test_what_is_no_plan_is_refused(change: Callable[[dict[str, object]], object], sentence: str) -> None:
    document = json.loads(plan_to_json(_PLAN))
    change(document)
    with pytest.raises(ConfigError) as wrong:
        plan_from_json(json.dumps(document), "P")
    assert wrong.value.message == sentence
    assert wrong.value.remedy == "Write it anew: drydock plan"


@pytest.mark.parametrize("text", ["", "[]", "null", "3"])
def test_other_json_and_no_json_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="P is not a plan: "):
        plan_from_json(text, "P")


def test_a_javascript_worker_needs_its_npm_packages_and_no_runtime_is_asked(tmp_path: Path) -> None:
    worker = _worker(tmp_path / "js", {"name": "js", "main": "index.js"}, package__lock_json=_npm_lock(left="1.0.0"))
    url = "https://npm.example.com/left/-/left-1.0.0.tgz"
    assert make_plan([worker], _NO_WORKERD, _environ(tmp_path), _MACHINE) == Plan(
        (Asset(url, AssetKind.NPM, None, None, "package-lock.json: left 1.0.0", "js", "sha512-x"),),
        ("js: package-lock.json names no addresses, so npm ci also reads index pages (1).",),
    )


def test_what_two_workers_need_is_listed_once_and_in_the_same_order_whoever_comes_first(tmp_path: Path) -> None:
    one = _worker(tmp_path / "one", {"name": "one"}, package__lock_json=_npm_lock(b="1.0.0", a="1.0.0"))
    two = _worker(tmp_path / "two", {"name": "two"}, package__lock_json=_npm_lock(b="1.0.0"))
    plans = [make_plan(workers, _NO_WORKERD, _environ(tmp_path), _MACHINE) for workers in ([one, two], [two, one])]
    assert [(asset.url.rpartition("/")[2], set(asset.worker.split(", "))) for asset in plans[0].assets] == [
        ("a-1.0.0.tgz", {"one"}),
        ("b-1.0.0.tgz", {"one", "two"}),
    ]
    assert [asset.url for asset in plans[0].assets] == [asset.url for asset in plans[1].assets]


def test_what_two_workers_need_for_two_reasons_has_both_whoever_comes_first(tmp_path: Path) -> None:
    """The reasons are sorted, so that a lock is stable."""
    entry = {"version": "1.0.0", "integrity": "sha512-x", "name": "c", "resolved": "https://npm.example.com/a/-/a-1.0.0.tgz"}
    lock = json.dumps({"lockfileVersion": 3, "packages": {"node_modules/c": entry}})
    one = _worker(tmp_path / "one", {"name": "one"}, package__lock_json=_npm_lock(a="1.0.0"))
    two = _worker(tmp_path / "two", {"name": "two"}, package__lock_json=lock)
    for workers in ([one, two], [two, one]):
        (asset,) = make_plan(workers, _NO_WORKERD, _environ(tmp_path), _MACHINE).assets
        assert asset.reason == "package-lock.json: a 1.0.0; package-lock.json: c 1.0.0"


def test_a_folder_that_is_no_worker_stops_the_plan(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a Worker"):
        make_plan([tmp_path], _NO_WORKERD, _environ(tmp_path), _MACHINE)
