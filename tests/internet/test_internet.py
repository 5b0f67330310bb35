"""The program that plays the internet serves a tree under any host's name and tells what was asked."""

import json
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.internet.build_www import RELEASE, RELEASE_BLOB
from tests.internet.capnp import Segment
from tests.internet.client import Internet
from tests.internet.extract_bundle import extract
from tests.upstream.child import Child, accepts, free_port
from tests.upstream.curl import Answer, curl

ASSET = "assets.example/runtime/bundle.bin"


@dataclass(frozen=True)
class Played:
    """A running internet and the way to it."""

    internet: Internet
    tls_port: int
    ca: Path
    directory: Path

    def get(self, place: str, *arguments: str) -> Answer:
        """Fetch HOST/PATH as if the internet were there."""
        connect = ["--connect-to", f"::127.0.0.1:{self.tls_port}", "--cacert", str(self.ca)]
        return curl(self.directory, *connect, *arguments, f"https://{place}")


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    """The program on free ports, with one asset and one redirect."""
    www, state = tmp_path / "www", tmp_path / "state"
    state.mkdir()
    asset = www / ASSET
    asset.parent.mkdir(parents=True)
    asset.write_bytes(b"asset")
    (www / "redirects.json").write_text(json.dumps({RELEASE: f"https://{RELEASE_BLOB}?sig="}))
    tls_port, control_port = free_port(), free_port()
    ports = ["--address", "127.0.0.1", "--tls-port", str(tls_port), "--control-port", str(control_port)]
    places = ["--www", str(www), "--ca", str(tmp_path / "ca.pem"), "--state", str(state)]
    command = [sys.executable, "-m", "tests.internet", *ports, *places]
    log = tmp_path / "internet.log"
    with Child(command, log, lambda: accepts(control_port), stop_signal=signal.SIGTERM):
        yield Played(Internet(control_port), tls_port, tmp_path / "ca.pem", tmp_path)


def test_it_serves_files_by_host_and_counts_them(played: Played) -> None:
    assert played.get(ASSET).body == b"asset"
    assert played.get(ASSET, "--head").status == 200
    assert played.get("index.pyodide.org/314.0.0/fastapi/").status == 404
    assert played.get("assets.example/../ca.pem", "--path-as-is").status == 404
    assert played.internet.count(ASSET) == 2
    assert played.internet.count("index.pyodide.org/314.0.0/fastapi/") == 1
    assert played.internet.connections() == 4
    played.internet.reset()
    assert played.internet.log()["counts"] == {}
    assert played.internet.connections() == 0


def test_a_release_is_sent_on_to_a_url_that_is_new_each_time(played: Played) -> None:
    first, second = (re.search("Location: (.*)", played.get(RELEASE).headers) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first[1].startswith(f"https://{RELEASE_BLOB}?sig=")
    assert first[1] != second[1]


def test_an_api_says_who_was_reached_and_which_certificate_it_showed(played: Played) -> None:
    answer = json.loads(played.get("api.example.net/v1/x?y=1", "--data", "hello").body)
    certificate = answer.pop("certificate_sha256")
    assert answer == {"host": "api.example.net", "method": "POST", "path": "/v1/x?y=1", "body": "hello"}
    assert certificate == played.internet.certificate("api.example.net")
    assert certificate != played.internet.certificate("other.example.net")
    assert played.internet.ca() == played.ca.read_bytes()


def test_what_a_test_puts_is_served_and_misbehaves_as_told(played: Played) -> None:
    played.internet.put(ASSET, b"wrong bytes")
    assert played.get(ASSET).body == b"wrong bytes"
    played.internet.put(ASSET, b"0123456789", "cl_short")
    assert played.get(ASSET).body == b"01234"
    played.internet.reset()
    assert played.get(ASSET).body == b"asset"


def test_no_bundle_in_a_binary_is_said() -> None:
    with pytest.raises(ValueError, match="expected a workerd that carries its Pyodide bundle"):
        extract(b"\x7fELF" + bytes(1000))


def test_pointers_are_followed_to_the_last_word() -> None:
    """A struct with one pointer to a list of 9 bytes: 1 + 1 + 2 words."""
    struct_pointer = (1 << 48).to_bytes(8, "little")
    list_pointer = (1 | 2 << 32 | 9 << 35).to_bytes(8, "little")
    assert Segment(struct_pointer + list_pointer + bytes(16)).end_of(0) == 4
