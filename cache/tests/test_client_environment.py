"""The environment of a client: one bundle for all tools, and variables that a shell can take as they are."""

from pathlib import Path

import pytest
from drydock_cache.client_environment import client_variables
from drydock_cache.errors import ConfigError
from drydock_cache.trust import read_certificates

from tests.upstream.pki import Authority


def test_every_tool_is_pointed_at_the_proxy_and_one_bundle(authority: Authority, tmp_path: Path) -> None:
    """The bundle holds the system's certificates and the CA, and no comment, which workerd does not bear."""
    ca, bundle = authority.write(tmp_path / "ca.pem"), tmp_path / "bundle.pem"
    ca.write_bytes(b"# Gr\xc3\xb6\xc3\x9fe\n" + ca.read_bytes())
    variables = client_variables("http://127.0.0.1:3128", ca, bundle)
    assert variables["HTTPS_PROXY"] == variables["http_proxy"] == "http://127.0.0.1:3128"
    assert variables["NO_PROXY"] == variables["no_proxy"] == "localhost,127.0.0.1,::1"
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "npm_config_cafile"):
        assert variables[name] == str(bundle)
    assert authority.certificate.decode().strip() in bundle.read_text()
    assert len(read_certificates(bundle)) > 1
    assert "#" not in bundle.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_ca_or_a_place_that_cannot_be_used_is_one_sentence(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("hello")
    with pytest.raises(ConfigError, match=r"no\.pem is neither PEM nor DER"):
        client_variables("http://127.0.0.1:3128", tmp_path / "no.pem", tmp_path / "bundle.pem")
    ca = authority.write(tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match=r"cannot be written to .*none/bundle\.pem.*--bundle FILE"):
        client_variables("http://127.0.0.1:3128", ca, tmp_path / "none" / "bundle.pem")
