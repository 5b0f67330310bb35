"""Configuration: what the command line, the environment and drydock.toml say, read once and checked."""

from pathlib import Path

import pytest
from drydock_cache.configuration import (
    client_registries,
    load_policy,
    parse_resolve,
    private_hosts,
    registry_names,
    upstream_settings,
)
from drydock_cache.errors import ConfigError
from drydock_cache.mode import Mode
from drydock_cache.policy import Action, Policy


def policy(text: str) -> Policy:
    return Policy.parse(text, "drydock.toml", tables=("upstream",))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("index.example=10.0.0.8:443", {"index.example": ("10.0.0.8", 443)}),
        ("Index.Example.=10.0.0.8:443", {"index.example": ("10.0.0.8", 443)}),
        ("index.example=[fd00::1]:8443", {"index.example": ("fd00::1", 8443)}),
        ("index.example=mirror.example:443", {"index.example": ("mirror.example", 443)}),
    ],
)
def test_a_host_is_led_to_the_place_that_is_named(text: str, place: dict[str, tuple[str, int]]) -> None:
    assert parse_resolve([text]) == place


@pytest.mark.parametrize(
    "text", ["", "index.example", "=1.2.3.4:1", "index.example=:443", "index.example=1.2.3.4", "a=b:0", "a=b:65536"]
)
def test_an_entry_that_cannot_be_read_is_said_with_the_right_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read\. Write it as HOST=ADDRESS:PORT"):
        parse_resolve([text])


def test_private_hosts_come_from_the_policy_file() -> None:
    assert private_hosts(policy('[upstream]\nprivate_hosts = ["Mirror.Example."]')) == {"mirror.example"}
    assert private_hosts(policy("")) == frozenset()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[upstream]\nprivat = []", "unknown key 'privat'. Known are: private_hosts, pac, routes"),
        ('[upstream]\nprivate_hosts = "a"', "must be a list of host names"),
        ("[upstream]\nprivate_hosts = [1]", "must be a list of host names"),
    ],
)
def test_a_wrong_upstream_table_is_said_by_file(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        private_hosts(policy(text))
    assert "drydock.toml" in str(caught.value)


def test_settings_are_put_together(tmp_path: Path) -> None:
    settings = upstream_settings(
        policy('[upstream]\nprivate_hosts = ["mirror.example"]'),
        {"HTTPS_PROXY": "http://user:pass@proxy.example:3128", "NO_PROXY": "direct.example"},
        Mode.OFFLINE,
        ["index.example=10.0.0.8:443"],
        [tmp_path / "ca.pem"],
    )
    assert settings.mode is Mode.OFFLINE
    assert settings.private_hosts == {"mirror.example"}
    assert settings.resolve == {"index.example": ("10.0.0.8", 443)}
    assert settings.ca_files == (tmp_path / "ca.pem",)
    (proxy,) = settings.routes.from_variables("https")
    assert proxy is not None
    assert proxy.url == "http://proxy.example:3128"
    assert settings.routes.choose("https", "assets.example", 443) == (proxy,)
    assert "pass" not in repr(settings)


def test_registries_of_the_clients_become_part_of_the_policy(tmp_path: Path) -> None:
    """The hosts are read from pip's and uv's own settings; a release file there is pinned, its pages are revalidated."""
    file = tmp_path / "drydock.toml"
    file.write_text('registries = ["python"]\n')
    environment = {
        "PATH": "",
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_CONFIG": "1",
        "PIP_INDEX_URL": "https://mirror.example/simple/",
        "UV_INDEX_URL": "http://plain.example:8080/simple/",
    }
    read, _ = load_policy(file, environment)
    assert read.request("mirror.example", 443, "/simple/a/").action is Action.REVALIDATE
    assert read.request("mirror.example", 443, "/packages/a-1.0.tar.gz").action is Action.PIN


def test_a_registry_that_nobody_configured_is_noted(tmp_path: Path) -> None:
    """Without npm there is no npm registry: a sentence, and no failure, for who needs none."""
    file = tmp_path / "drydock.toml"
    file.write_text('registries = ["npm"]\n')
    environment = {"PATH": "", "HOME": str(tmp_path)}
    registries, missing = client_registries(environment)
    assert {registry.kind for registry in registries} <= {"python", "npm"}
    _, notes = load_policy(file, environment)
    assert any('names the registry "npm"' in note for note in notes) or not missing


def test_registries_are_known_by_name_whatever_their_port_and_with_the_workers_own(tmp_path: Path) -> None:
    """What names one of them must not get into a lock that git carries; a kind that nobody configured names none."""
    worker = tmp_path / "worker"
    worker.mkdir()
    (worker / ".npmrc").write_text("@acme:registry=https://npm.acme.example:8443/x/\n")
    environment = {
        "PATH": "",
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": "http://Plain.example:8080/simple/",
        "NPM_CONFIG_REGISTRY": "https://npm.example/",
    }
    assert registry_names(environment) == {"plain.example", "npm.example"}
    assert registry_names(environment, [worker]) == {"plain.example", "npm.example", "npm.acme.example"}
    del environment["NPM_CONFIG_REGISTRY"]
    assert registry_names(environment) == {"plain.example"}
