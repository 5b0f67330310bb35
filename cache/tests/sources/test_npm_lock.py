"""package-lock.json: exactly the tarballs are listed that npm ci would fetch on this platform, at npm's own addresses."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.sources.npm_lock import NpmPlatform, NpmTarball, read_npm_lock

_MACHINE = NpmPlatform("linux", "x64", "glibc")
_REGISTRIES = {"": "https://npm.example.com/r/", "@acme": "https://acme.example.com"}


def _lock(folder: Path, packages: dict[str, object], version: int = 3) -> Path:
    path = folder / "package-lock.json"
    path.write_text(json.dumps({"name": "x", "lockfileVersion": version, "requires": True, "packages": packages}))
    return path


def _urls(folder: Path, packages: dict[str, object]) -> list[str]:
    return [one.url for one in read_npm_lock(_lock(folder, packages), _REGISTRIES, _MACHINE)]


@pytest.mark.parametrize(
    ("place", "entry", "url"),
    [
        ("node_modules/left", {"version": "1.0.0"}, "https://npm.example.com/r/left/-/left-1.0.0.tgz"),
        ("node_modules/a/node_modules/left", {"version": "1.0.0"}, "https://npm.example.com/r/left/-/left-1.0.0.tgz"),
        ("node_modules/@types/node", {"version": "2.1.0"}, "https://npm.example.com/r/@types/node/-/node-2.1.0.tgz"),
        ("node_modules/@acme/x", {"version": "2.1.0-rc.1"}, "https://acme.example.com/@acme/x/-/x-2.1.0-rc.1.tgz"),
        ("node_modules/alias", {"name": "real", "version": "1.0.0"}, "https://npm.example.com/r/real/-/real-1.0.0.tgz"),
        ("packages/app/node_modules/left", {"version": "1.0.0"}, "https://npm.example.com/r/left/-/left-1.0.0.tgz"),
        (
            "node_modules/left",
            {"version": "1.0.0", "resolved": "https://u:p@other.example.com/l.tgz"},
            "https://other.example.com/l.tgz",
        ),
    ],
)
def test_an_entry_without_an_address_gets_that_of_its_registry(
    tmp_path: Path, place: str, entry: dict[str, object], url: str
) -> None:
    assert _urls(tmp_path, {"": {"name": "x"}, place: entry}) == [url]


@pytest.mark.parametrize(
    ("entry", "fetched"),
    [
        ({}, True),
        ({"os": ["linux"], "cpu": ["x64"]}, True),
        ({"os": ["darwin"]}, False),
        ({"os": ["!win32"]}, True),
        ({"os": ["!linux"]}, False),
        ({"cpu": ["arm64"]}, False),
        ({"libc": ["musl"]}, False),
        ({"libc": ["glibc"]}, True),
        ({"os": "linux"}, True),
        ({"cpu": ["any"]}, True),
        ({"os": []}, True),
        ({"optional": True, "dev": True}, True),
        ({"link": True, "resolved": "packages/app"}, False),
        ({"inBundle": True}, False),
        ({"resolved": "file:../x.tgz"}, False),
    ],
)
def test_what_does_not_fit_the_platform_or_comes_with_another_package_is_left_out(
    tmp_path: Path, entry: dict[str, object], fetched: bool
) -> None:
    assert bool(_urls(tmp_path, {"node_modules/a": {"version": "1.0.0", **entry}})) is fetched


def test_workspaces_are_not_fetched_and_copies_of_one_package_count_once(tmp_path: Path) -> None:
    copy = {"version": "1.0.0", "integrity": "sha512-abc"}
    packages: dict[str, object] = {
        "packages/app": {"version": "1.0.0"},
        "node_modules/b": copy,
        "node_modules/a/node_modules/b": copy,
    }
    assert read_npm_lock(_lock(tmp_path, packages), _REGISTRIES, _MACHINE) == (
        NpmTarball("https://npm.example.com/r/b/-/b-1.0.0.tgz", "b", "1.0.0", "sha512-abc", True),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{\n"a" 1}', "F, line 2: expected JSON, found this: Expecting ':' delimiter."),
        ('{"lockfileVersion": 1}', "F: expected lockfileVersion 2 or 3 and an object of packages, found 1."),
        ("[]", "F: expected lockfileVersion 2 or 3 and an object of packages, found None."),
        (
            '{"lockfileVersion": 3, "packages": {"node_modules/a": 1}}',
            'F: expected packages["node_modules/a"] to be an object, found int.',
        ),
        (
            '{"lockfileVersion": 3, "packages": {"node_modules/a": {}}}',
            "F: expected node_modules/a to have a version, found none.",
        ),
        (
            '{"lockfileVersion": 3, "packages": {"node_modules/a": {"resolved": "git+ssh://git@x.example.com/a.git#1"}}}',
            "F: node_modules/a comes from git+ssh:, expected a tarball on a registry; that cannot be prefetched.",
        ),
    ],
)
def test_a_lock_that_cannot_be_used_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "package-lock.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as wrong:
        read_npm_lock(path, _REGISTRIES, _MACHINE)
    assert wrong.value.message == sentence.replace("F", str(path), 1)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A registry that has nothing: its URL, and the paths that clients asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/some/registry/", paths
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "page"), [("left", "left"), ("@scope/right", "@scope%2fright")])
def test_npm_ci_reads_the_index_page_of_a_package_without_an_address_and_the_plan_says_so(
    asked: tuple[str, list[str]], tmp_path: Path, name: str, page: str
) -> None:
    registry, paths = asked
    project = {"name": "x", "version": "1.0.0", "dependencies": {name: "1.0.0"}}
    (tmp_path / "package.json").write_text(json.dumps(project))
    entry = {"version": "1.0.0", "integrity": "sha512-" + "A" * 86 + "=="}
    path = _lock(tmp_path, {"": project, f"node_modules/{name}": entry})
    subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", f"--cache={tmp_path / 'cache'}", "--fetch-retries=0"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "npm_config_registry": registry,
            "npm_config_update_notifier": "false",
        },
        capture_output=True,
        check=False,
    )
    assert set(paths) == {f"/some/registry/{page}"}
    (tarball,) = read_npm_lock(path, {"": registry}, _MACHINE)
    assert tarball.is_guessed


@pytest.mark.online
@pytest.mark.parametrize(("name", "version"), [("left-pad", "1.3.0"), ("@types/node", "24.0.0"), ("wrangler", "4.164.0")])
def test_the_address_that_is_built_is_the_one_that_the_real_registry_names(tmp_path: Path, name: str, version: str) -> None:
    viewed = subprocess.run(
        ["npm", "view", f"{name}@{version}", "dist.tarball"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if viewed.returncode != 0:
        pytest.skip(f"npm could not reach its registry: {viewed.stderr.strip()[-300:]}")
    named = viewed.stdout.strip()
    registry = f"{named.partition('://')[0]}://{urlsplit(named).netloc}/"
    (tarball,) = read_npm_lock(_lock(tmp_path, {f"node_modules/{name}": {"version": version}}), {"": registry}, _MACHINE)
    assert tarball.url == named
