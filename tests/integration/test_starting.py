"""What keeps the proxy from starting is one sentence with the remedy, and nothing of what was stored is lost."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.integration.running import drydock, plain_environment

POLICY = 'pin = ["assets.example"]\n'


def refused(tmp_path: Path, *options: str, policy: str = POLICY) -> str:
    """Run `drydock proxy` with options that cannot be meant, and return the sentence that it ends with."""
    config = tmp_path / "drydock.toml"
    config.write_text(policy)
    fixed = [
        "--config",
        str(config),
        "--listen",
        "127.0.0.1:0",
        "--tls-listen",
        "127.0.0.1:0",
        "--status-listen",
        "127.0.0.1:0",
    ]
    places = ["--store", str(tmp_path / "store"), "--state", str(tmp_path / "state")]
    done = subprocess.run(
        [drydock(), "proxy", *fixed, *places, *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=plain_environment(tmp_path),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "is ready" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("option", ["--listen", "--status-listen"])
def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    """The sentence names the address, says that it is in use, how to see by whom, and which option chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        sentence = refused(tmp_path, option, address)
    assert f"{address} cannot be listened on" in sentence
    assert "address already in use" in sentence.lower()
    assert f"{option} ADDRESS:PORT" in sentence


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The sentence names the folder, why it cannot be written, and the option that chooses another."""
    sentence = refused(tmp_path, "--store", "/proc/drydock-store")
    assert "/proc/drydock-store" in sentence
    assert "--store DIR" in sentence


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    """The sentence names the file and what was found in it, before anything is made on disk."""
    file = tmp_path / "corporate.pem"
    file.write_bytes(b"not a certificate\n")
    sentence = refused(tmp_path, "--upstream-ca", str(file))
    assert f"{file} is neither PEM nor DER" in sentence
    assert not (tmp_path / "state").exists()


def test_an_unknown_key_in_the_policy_is_named_with_its_line(tmp_path: Path) -> None:
    """The sentence names the file, the line and the key that was probably meant."""
    sentence = refused(tmp_path, policy='pin = ["assets.example"]\npined = ["other.example"]\n')
    assert f"{tmp_path / 'drydock.toml'}, line 2" in sentence
    assert 'unknown key "pined"' in sentence
    assert 'Did you mean "pin"?' in sentence
