"""The certificate: the three numbers, everything to believe or repeat them by, and no secret."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_proxy.certificate import Certificate, miss_line, versions
from drydock_proxy.rehearsed_command import run, tool_versions
from drydock_proxy.status_client import StatusClient

MISS = {
    "method": "GET", "url": "https://assets.example/a?signature=hunter2", "client": "10.1.2.3", "service": "hello",
    "agent": "uv/0.13", "status": 200, "count": 2,
}  # fmt: skip
RECORD: dict[str, Any] = {
    "mode": "rehearsal", "started": 0.0, "ended": 61.0, "upstream_connections": 1, "hits": 1200, "misses": 0, "refused": 0,
    "bytes_from_store": 1_000_000, "bytes_from_upstream": 0, "missed": [], "left_out": 0,
    "versions": {"drydock": "1.0", "mitmproxy": "12.2.3"},
}  # fmt: skip
CLEAN = Certificate(RECORD, RECORD["versions"], Digest.of(b"lock"), ("npm", "ci", "https://user:hunter2@x.example"), 0)


def of(status: int | None = 0, **record: Any) -> Certificate:
    return replace(CLEAN, record=RECORD | record, exit_status=status)


def test_the_line_begins_with_the_numbers_that_count() -> None:
    line = CLEAN.line()
    assert line.startswith("1 upstream connections, 1,200 hits, 0 misses; 1,000,000 bytes from the store, 0 from upstream; ")
    assert "rehearsal, 61 s until 1970-01-01T00:01:01Z" in line
    assert f"lock {Digest.of(b'lock')}" in line
    assert "drydock 1.0, mitmproxy 12.2.3" in line
    assert line.endswith("ended with 0")
    assert "no lock" in replace(CLEAN, lock=None, command=()).line()


def test_the_json_has_everything_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    of(3, misses=1, missed=[MISS]).write(path)
    text = path.read_text()
    assert "hunter2" not in text + CLEAN.line()
    document = json.loads(text)
    assert document["bytes"] == {"from_store": 1_000_000, "from_upstream": 0}
    assert (document["started"], document["ended"]) == ("1970-01-01T00:00:00Z", "1970-01-01T00:01:01Z")
    assert (document["lock"], document["exit_status"], document["command"][:2]) == (str(Digest.of(b"lock")), 3, ["npm", "ci"])
    assert document["missed"][0]["service"] == "hello"


@pytest.mark.parametrize(
    ("certificate", "status"),
    [
        (of(0), 0),
        (of(None), 0),
        (of(7), 7),
        (of(0, misses=1), 3),
        (of(None, misses=1), 3),
        (of(7, misses=1), 7),
        (of(0, mode="offline", upstream_connections=1), 3),
        (of(0, mode="offline", upstream_connections=0), 0),
        (of(0, upstream_connections=5), 0),
    ],
)
def test_the_status_is_the_commands_own_or_3_for_a_miss(certificate: Certificate, status: int) -> None:
    """Offline a connection that was tried is a failure of its own, whatever was counted besides."""
    assert certificate.status == status


def test_a_certificate_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        CLEAN.write(tmp_path / "nowhere" / "certificate.json")


def test_a_miss_is_one_line_with_who_asked() -> None:
    assert miss_line(MISS) == "miss: GET https://assets.example/a?…: 200, asked by hello (10.1.2.3), uv/0.13, 2 times"
    bare = MISS | {"service": "", "agent": "", "count": 1}
    assert miss_line(bare) == "miss: GET https://assets.example/a?…: 200, asked by 10.1.2.3"


def test_versions_of_tools_that_are_not_there_are_left_out() -> None:
    assert versions(RECORD, [("wrangler", "4.1"), ("workerd", "")]) == RECORD["versions"] | {"wrangler": "4.1"}


def test_tools_tell_their_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment where it names them, else by asking those on PATH; one that says nothing sensible has none."""
    for name, text in (("wrangler", "⛅ wrangler 4.164.0"), ("workerd", "workerd 2026-11-17")):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\necho '{text}'\n")
        tool.chmod(0o755)
        monkeypatch.delenv(f"{name.upper()}_VERSION", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert tool_versions() == [("wrangler", "4.164.0"), ("workerd", "2026-11-17")]
    monkeypatch.setenv("WRANGLER_VERSION", "3.92.0")
    (tmp_path / "workerd").write_text("#!/bin/sh\nexit 1\n")
    assert tool_versions() == [("wrangler", "3.92.0"), ("workerd", "")]
    (tmp_path / "workerd").write_text("no program")
    assert tool_versions()[1] == ("workerd", "")
    (tmp_path / "workerd").unlink()
    assert tool_versions()[1] == ("workerd", "")


def test_a_command_gets_the_variables_and_its_end_is_told() -> None:
    """As a shell counts: 128 and the number of the signal that ended it."""
    assert run(["sh", "-c", 'test "$DRYDOCK_TEST" = x'], {"DRYDOCK_TEST": "x"}) == 0
    assert run(["sh", "-c", "exit 7"], {}) == 7
    assert run(["sh", "-c", "kill -TERM $$"], {}) == 143
    with pytest.raises(ConfigError, match="no-such-program cannot be run"):
        run(["no-such-program"], {})


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "https://127.0.0.1:8080", "http://", "http://user:x@127.0.0.1"])
def test_an_address_that_is_no_status_port_is_said(url: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a status port"):
        StatusClient(url)
