"""The proxy of a CI container is a real one: ready before the command starts, and its failure is a sentence."""

from pathlib import Path

import pytest
from ci_proxy import CiProxy, name_options
from drydock_cache.errors import ConfigError


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store and a policy without registries, named as the image names them."""
    policy = tmp_path / "drydock.toml"
    policy.write_text('pin = ["files.example.net"]\n')
    monkeypatch.setenv("DRYDOCK_CONFIG", str(policy))
    monkeypatch.setenv("DRYDOCK_STORE", str(tmp_path / "store"))
    return tmp_path


def test_it_is_ready_says_what_it_was_asked_for_and_ends(store: Path) -> None:
    proxy = CiProxy(store, "offline", name_options(store / "no-resolv.conf"))
    try:
        assert proxy.wait_ready().startswith("http://127.0.0.1:")
        assert proxy.ca.read_text().startswith("-----BEGIN CERTIFICATE-----")
        record = proxy.record()
        assert (record["mode"], record["upstream_connections"], record["hits"], record["misses"]) == ("offline", 0, 0, 0)
    finally:
        proxy.stop()
    with pytest.raises(ConfigError, match="gone before the command ended, so nothing proves what was needed"):
        proxy.record()


def test_one_that_cannot_start_says_why(store: Path) -> None:
    (store / "drydock.toml").write_text("pin = 7\n")
    with pytest.raises(ConfigError, match=r"did not start .*drydock\.toml"):
        CiProxy(store, "offline").wait_ready()


def test_names_lead_to_it_only_in_a_container_whose_resolver_is_its_own_loopback(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\n")
    assert name_options(resolv_conf) == (
        *("--tls-listen", "127.0.0.1:443", "--dns-listen", "127.0.0.1:53", "--dns-answer", "127.0.0.1"),
    )
    resolv_conf.write_text("nameserver 10.1.2.3\n")
    assert name_options(resolv_conf) == ("--tls-listen", "127.0.0.1:0")
