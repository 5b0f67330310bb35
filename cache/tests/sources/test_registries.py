"""Package indexes are where the clients' own configuration says, and credentials stay out of what is reported."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.sources import pip_settings
from drydock_cache.sources.registries import read_registries, render_baked
from drydock_cache.sources.registry import BAKED_VARIABLE, Registry, RegistryKind, strip_credentials

PYTHON, NPM = RegistryKind.PYTHON, RegistryKind.NPM


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def _environ(home: Path, **more: str) -> dict[str, str]:
    """A machine without any setting of its own: PATH has no programs, pip reads no file."""
    return {"PATH": "/nonexistent", "HOME": str(home), "PIP_CONFIG_FILE": os.devnull, **more}


def _urls(kind: RegistryKind, environ: dict[str, str], folder: Path | None = None) -> list[str]:
    return [registry.index_url for registry in read_registries([kind], environ, folder)]


def _put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# ---- Python -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "urls"),
    [
        ({"UV_DEFAULT_INDEX": "https://a.example.com/simple"}, ["https://a.example.com/simple"]),
        ({"UV_DEFAULT_INDEX": "corp=https://a.example.com/s?x=1"}, ["https://a.example.com/s?x=1"]),
        (
            {"UV_INDEX_URL": "https://a.example.com/1", "UV_DEFAULT_INDEX": "https://a.example.com/2"},
            ["https://a.example.com/2"],
        ),
        (
            {"UV_DEFAULT_INDEX": "https://a.example.com/", "UV_INDEX": "x=https://b.example.com/ https://c.example.com/"},
            ["https://a.example.com/", "https://b.example.com/", "https://c.example.com/"],
        ),
        (
            {"PIP_INDEX_URL": "https://p.example.com/simple", "PIP_EXTRA_INDEX_URL": "https://q.example.com/ file:///wheels"},
            ["https://p.example.com/simple", "https://q.example.com/"],
        ),
        (
            {"UV_DEFAULT_INDEX": "https://a.example.com/", "PIP_INDEX_URL": "https://p.example.com/"},
            ["https://a.example.com/", "https://p.example.com/"],
        ),
        (
            {"UV_DEFAULT_INDEX": "https://same.example.com/", "PIP_INDEX_URL": "https://same.example.com/"},
            ["https://same.example.com/"],
        ),
    ],
)
def test_variables_of_uv_and_pip_name_the_indexes_and_the_default_comes_first(
    home: Path, variables: dict[str, str], urls: list[str]
) -> None:
    assert _urls(PYTHON, _environ(home, **variables)) == urls


def test_pip_is_asked_for_its_configuration_file(home: Path) -> None:
    conf = _put(
        home / "pip.conf",
        "[global]\nindex-url = https://g.example.com/\nextra-index-url =\n  https://e.example.com/\n[install]\nindex-url = https://i.example.com/\n",
    )
    assert _urls(PYTHON, _environ(home, PIP_CONFIG_FILE=str(conf))) == [
        "https://i.example.com/",
        "https://e.example.com/",
    ]


@pytest.mark.parametrize(
    ("name", "text", "urls"),
    [
        ("uv.toml", 'index-url = "https://a.example.com/"', ["https://a.example.com/"]),
        (
            "uv.toml",
            '[pip]\nindex-url = "https://a.example.com/"\nextra-index-url = ["https://b.example.com/"]',
            ["https://a.example.com/", "https://b.example.com/"],
        ),
        (
            "uv.toml",
            '[[index]]\nurl = "https://b.example.com/"\n[[index]]\nurl = "https://a.example.com/"\ndefault = true',
            ["https://a.example.com/", "https://b.example.com/"],
        ),
        ("pyproject.toml", '[[tool.uv.index]]\nurl = "https://a.example.com/"\ndefault = true', ["https://a.example.com/"]),
    ],
)
def test_uv_is_configured_by_the_workers_folder_and_those_above_it(home: Path, name: str, text: str, urls: list[str]) -> None:
    _put(home / "project" / name, text)
    worker = home / "project/worker"
    worker.mkdir()
    assert _urls(PYTHON, _environ(home), worker) == urls


def test_uvs_files_are_read_in_its_order_and_its_switches_are_honoured(home: Path) -> None:
    _put(home / ".config/uv/uv.toml", 'index-url = "https://user.example.com/"')
    _put(home / "system/uv/uv.toml", 'index-url = "https://system.example.com/"')
    other = _put(home / "other.toml", 'index-url = "https://other.example.com/"')
    environ = _environ(home, XDG_CONFIG_DIRS=str(home / "system"))
    assert _urls(PYTHON, environ) == ["https://user.example.com/"]
    assert _urls(PYTHON, {**environ, "XDG_CONFIG_HOME": str(home / "empty")}) == ["https://system.example.com/"]
    assert _urls(PYTHON, {**environ, "UV_CONFIG_FILE": str(other)}) == ["https://other.example.com/"]
    fallback = {"UV_NO_CONFIG": "1", "PIP_INDEX_URL": "https://pip.example.com/"}
    assert _urls(PYTHON, {**environ, **fallback}) == ["https://pip.example.com/"]


def _has_pip(python: Path) -> bool:
    return subprocess.run([python, "-I", "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(
    not any(map(_has_pip, (Path(sys.executable), Path(sys.executable).resolve()))),
    reason="neither this Python nor the one below it has pip",
)
def test_without_configuration_pip_tells_its_default_and_the_other_host_that_files_lie_on(home: Path) -> None:
    (registry,) = read_registries([PYTHON], _environ(home))
    assert registry.index_url.startswith("https://")
    assert registry.hosts[0] == urlsplit(registry.index_url).hostname
    assert len(set(registry.hosts)) == 2


# ---- npm ----------------------------------------------------------------------------------------------------------------

_NPMRCS = [
    ({}, "registry=https://user.example.com/npm/\n", None),
    ({}, 'registry = "https://user.example.com/"\n', "registry=https://project.example.com/\n"),
    ({"npm_config_registry": "https://variable.example.com/"}, "", "registry=https://project.example.com/\n"),
    ({"NPM_CONFIG_REGISTRY": "https://upper.example.com/"}, "registry=https://user.example.com/\n", None),
    ({"SITE": "site.example.com"}, "; comment\n# registry=https://no.example.com/\nregistry=https://${SITE}/\n", None),
]


@pytest.mark.parametrize(("variables", "user", "project"), _NPMRCS)
def test_npmrc_files_and_variables_are_read_as_npm_reads_them(
    home: Path, variables: dict[str, str], user: str, project: str | None
) -> None:
    _put(home / ".npmrc", user)
    folder = _put(home / "worker/package.json", "{}").parent
    if project:
        _put(folder / ".npmrc", project)
    ours = _urls(NPM, _environ(home, **variables), folder)
    npm = subprocess.run(
        ["npm", "config", "get", "registry"],
        cwd=folder,
        env={"HOME": str(home), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ours == [npm.stdout.strip()]


def test_scopes_have_registries_of_their_own(home: Path) -> None:
    _put(
        home / ".npmrc",
        "registry=https://a.example.com/\n@acme:registry=https://acme.example.com/x/\n//a.example.com/:_authToken=secret\n",
    )
    assert read_registries([NPM], _environ(home)) == (
        Registry(NPM, "https://a.example.com/", ("a.example.com",)),
        Registry(NPM, "https://acme.example.com/x/", ("acme.example.com",), "@acme"),
    )


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_without_configuration_npm_tells_its_default(home: Path) -> None:
    (registry,) = read_registries([NPM], _environ(home, PATH=os.environ["PATH"], npm_config_globalconfig=os.devnull))
    assert registry.index_url.startswith("https://")
    assert registry.hosts == (urlsplit(registry.index_url).hostname,)


def test_a_pip_whose_parts_have_other_names_is_asked_by_its_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own index is then not known: a setting, or a file, must say it."""
    venv = home / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    monkeypatch.setattr(sys, "executable", str(venv / "bin/python"))
    monkeypatch.setattr(pip_settings, "find_spec", lambda _name: object())
    (packages,) = venv.glob("lib/python3*/site-packages")
    _put(packages / "pip/__init__.py", "")
    _put(packages / "pip/__main__.py", "print(\"global.index-url='https://p.example.com/simple'\")")
    assert _urls(PYTHON, _environ(home)) == ["https://p.example.com/simple"]


def test_no_interpreter_is_started_twice_for_one_question(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH leads to the same file by several ways, and our own environment without pip lies on it, too."""
    started = home / "started"
    script = _put(home / "real/python3.14", f"#!/bin/sh\necho x >>{started}\nexit 1\n")
    script.chmod(0o755)
    for folder in ("bin", "local"):
        (home / folder).mkdir()
        (home / folder / "python3").symlink_to(script)
    monkeypatch.setattr(sys, "executable", str(home / "bin/python3"))
    monkeypatch.setattr(pip_settings, "find_spec", lambda _name: None)
    environ = _environ(home, PATH=f"{home}/bin:{home}/local", UV_DEFAULT_INDEX="https://a.example.com/")
    assert _urls(PYTHON, environ) == ["https://a.example.com/"]
    assert not started.exists()
    monkeypatch.setattr(pip_settings, "find_spec", lambda _name: object())
    assert _urls(PYTHON, environ) == ["https://a.example.com/"]
    assert started.read_text().split() == ["x"] * 2  # once for each of the two ways to ask


# ---- Neither configuration nor client -----------------------------------------------------------------------------------


def test_a_baked_file_names_the_index_and_further_hosts(home: Path) -> None:
    _put(home / "baked/npm", "# comment\n\nhttps://user:pass@npm.example.com/r/\nhttps://FILES.example.com/\n")
    environ = _environ(home, **{BAKED_VARIABLE: str(home / "baked")})
    assert read_registries([NPM], environ) == (
        Registry(NPM, "https://npm.example.com/r/", ("npm.example.com", "files.example.com")),
    )


def test_what_is_baked_is_read_back_as_it_was(home: Path) -> None:
    registry = Registry(NPM, "https://npm.example.com/r/", ("npm.example.com", "files.example.com"))
    _put(home / "baked/npm", render_baked([registry]))
    assert read_registries([NPM], _environ(home, **{BAKED_VARIABLE: str(home / "baked")})) == (registry,)


def _with_pip(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make our own Python one whose pip is as the test image's; skip where no Python here has one."""
    venv = home / "venv"
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no environment with pip can be made here: {made.stdout[-200:]}")
    monkeypatch.setattr(sys, "executable", str(venv / "bin/python"))
    monkeypatch.setattr(pip_settings, "find_spec", lambda _name: object())
    return venv


def test_no_pip_is_asked_where_its_answer_is_baked_and_no_file_configures_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its variables count all the same; a folder that has a file for npm alone says nothing of pip."""
    _with_pip(home, monkeypatch)
    environ = _environ(home, **{BAKED_VARIABLE: str(home / "baked")})
    _put(home / "baked/npm", "https://npm.example.com/\n")
    (asked,) = _urls(PYTHON, environ)
    assert asked.startswith("https://")
    _put(home / "baked/python", "https://p.example.com/simple\n")
    own = _put(home / ".config/pip/pip.conf", "[global]\nextra-index-url = https://extra.example.com/\n")
    without_file = {name: value for name, value in environ.items() if name != "PIP_CONFIG_FILE"}
    assert "https://extra.example.com/" in _urls(PYTHON, without_file)
    assert "https://extra.example.com/" in _urls(PYTHON, {**environ, "PIP_CONFIG_FILE": str(own)})
    monkeypatch.setattr(subprocess, "run", None)
    assert _urls(PYTHON, environ) == ["https://p.example.com/simple"]
    assert _urls(PYTHON, {**environ, "PIP_INDEX_URL": "https://q.example.com/"}) == ["https://q.example.com/"]


def test_a_pip_that_cannot_read_its_file_still_says_its_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_pip(home, monkeypatch)
    broken = _put(home / "pip.conf", "index-url without a section\n")
    assert _urls(PYTHON, _environ(home, PIP_CONFIG_FILE=str(broken))) == _urls(PYTHON, _environ(home))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "F cannot be read: No such file or directory; DRYDOCK_REGISTRIES_DIR names its folder."),
        ("# nothing\n", "F: expected the URL of a npm package index on the first line, found none."),
        ("npm.example.com\n", "F: expected the http or https URL of a package index, found 'npm.example.com'."),
    ],
)
def test_a_bad_baked_file_is_named(home: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        _put(home / "baked/npm", text)
    with pytest.raises(ConfigError) as wrong:
        read_registries([NPM], _environ(home, **{BAKED_VARIABLE: str(home / "baked")}))
    assert wrong.value.message == sentence.replace("F", str(home / "baked/npm"))


def test_without_any_source_the_error_says_what_to_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as no_npm:
        read_registries([NPM], _environ(home))
    assert no_npm.value.remedy.startswith("Set NPM_CONFIG_REGISTRY to your registry, or DRYDOCK_REGISTRIES_DIR")
    # A machine whose Pythons have no pip.
    monkeypatch.setattr(sys, "executable", str(home / "python"))
    with pytest.raises(ConfigError) as no_python:
        read_registries([PYTHON], _environ(home))
    assert no_python.value.remedy.startswith("Set UV_DEFAULT_INDEX to your package index, or DRYDOCK_REGISTRIES_DIR")


# ---- Credentials and mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        ("https://user:p%40ss@a.example.com:8443/x", "https://a.example.com:8443/x"),
        ("https://token@a.example.com", "https://a.example.com"),
        ("https://user:p@ss@a.example.com/x@y", "https://a.example.com/x@y"),
        ("https://a.example.com/@scope/x", "https://a.example.com/@scope/x"),
        ("no url", "no url"),
    ],
)
def test_credentials_are_taken_out_of_urls(url: str, stripped: str) -> None:
    assert strip_credentials(url) == stripped


def test_credentials_are_in_nothing_that_is_reported(home: Path) -> None:
    environ = _environ(
        home,
        UV_DEFAULT_INDEX="https://u:secret@a.example.com/",
        PIP_INDEX_URL="https://u:secret@p.example.com/",
        npm_config_registry="https://u:secret@n.example.com/",
    )
    assert "secret" not in repr(read_registries([PYTHON, NPM], environ))
    with pytest.raises(ConfigError) as wrong:
        read_registries([NPM], {**environ, "npm_config_registry": "ftp://u:secret@n.example.com/"})
    assert wrong.value.message == (
        "npm_config_registry: expected the http or https URL of a package index, found 'ftp://n.example.com/'."
    )


def test_a_uv_file_that_is_no_toml_is_named(home: Path) -> None:
    path = _put(home / ".config/uv/uv.toml", "index-url =")
    with pytest.raises(ConfigError) as wrong:
        read_registries([PYTHON], _environ(home))
    assert wrong.value.message.startswith(f"{path}, which uv reads, cannot be read: Invalid value (at ")


def test_both_kinds_are_read_in_the_order_asked_for(home: Path) -> None:
    environ = _environ(home, UV_DEFAULT_INDEX="https://a.example.com/", npm_config_registry="https://n.example.com/")
    kinds = [registry.kind for registry in read_registries([NPM, PYTHON, NPM], environ)]
    assert json.dumps(kinds) == '["npm", "python"]'
