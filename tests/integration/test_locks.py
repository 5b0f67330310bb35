"""A proxy that follows a lock: it serves the locked bytes alone, online and offline, and takes over no lock that was altered."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, header
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\nrevalidate = ["index.example"]\n'
BODY, OTHER = b"the right bytes" * 1000, b"the wrong bytes" * 1000
OLD_PAGE, NEW_PAGE = b"<a>1</a>", b"<a>1</a><a>2</a>"
URL, PAGE_URL = "https://assets.example/pyodide_1.capnp.bin", "https://index.example/simple/a/"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_lock(path: Path, body: bytes) -> None:
    """Write the lock as the format is documented, with no code of drydock's."""
    path.write_text(f"""version = 1

[[asset]]
url = "{URL}"
sha256 = "{sha256(body)}"
size = {len(body)}
kind = "bundle"
workers = ["hello"]
why = "a test"

[[page]]
url = "{PAGE_URL}"
accept = "*/*"
encoding = "identity"
sha256 = "{sha256(OLD_PAGE)}"
size = {len(OLD_PAGE)}
content_type = "text/html"
why = "a test"
""")


def test_a_lock_binds_what_the_proxy_serves(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], tmp_path: Path
) -> None:
    """Online other bytes never come whole; offline the page is the snapshot, although the store has a newer one."""
    upstream = start_upstream("assets.example", "index.example")
    upstream.route("/pyodide_1.capnp.bin", OTHER)
    upstream.route("/simple/a/", OLD_PAGE, cache_control="max-age=0", content_type="text/html")
    of_upstream = {"resolve": upstream.resolve, "upstream_ca": upstream.write_ca(tmp_path / "internet.pem")}
    lock = tmp_path / "assets.lock"
    write_lock(lock, BODY)
    online = start_proxy(POLICY, options=["--lock", str(lock)], **of_upstream)
    wrong = ask(online, Way.SNI, URL)
    assert wrong.code != 0
    refusal = online.wait_for_line(lambda line: sha256(OTHER) in str(line))
    assert sha256(BODY) in str(refusal)
    upstream.route("/pyodide_1.capnp.bin", BODY)
    assert ask(online, Way.SNI, URL).body == BODY
    assert ask(online, Way.SNI, PAGE_URL).body == OLD_PAGE
    upstream.route("/simple/a/", NEW_PAGE, cache_control="max-age=600", content_type="text/html")
    assert ask(online, Way.SNI, PAGE_URL).body == NEW_PAGE
    online.stop()

    offline = start_proxy(POLICY, mode="offline", options=["--lock", str(lock)])
    page = ask(offline, Way.SNI, PAGE_URL)
    assert (page.status, page.body, header(page, "cache-status")) == (200, OLD_PAGE, "drydock; hit; detail=locked-snapshot")
    assert ask(offline, Way.SNI, URL).body == BODY
    assert offline.stats()["upstream_connections"] == 0


def test_a_lock_that_was_altered_is_reported_and_not_followed(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], tmp_path: Path
) -> None:
    """F52: the proxy goes on by what it followed before, and its journal names both digests and the option."""
    upstream = start_upstream("assets.example", "index.example")
    upstream.route("/pyodide_1.capnp.bin", BODY)
    of_upstream = {"resolve": upstream.resolve, "upstream_ca": upstream.write_ca(tmp_path / "internet.pem")}
    lock = tmp_path / "assets.lock"
    write_lock(lock, BODY)
    start_proxy(POLICY, options=["--lock", str(lock)], **of_upstream).stop()
    write_lock(lock, OTHER)
    again = start_proxy(POLICY, options=["--lock", str(lock)], **of_upstream)
    reported = json.dumps(again.wait_for_line(lambda line: "The lock is not followed" in str(line)))
    assert all(said in reported for said in (sha256(BODY), sha256(OTHER), f"--accept {URL}", "followed before hold"))
    assert ask(again, Way.SNI, URL).body == BODY


def test_a_lock_that_cannot_be_read_keeps_the_proxy_from_starting(
    start_proxy: Callable[..., RunningProxy], tmp_path: Path
) -> None:
    """To serve without it would be to serve anything."""
    lock = tmp_path / "assets.lock"
    write_lock(lock, BODY)
    lock.write_text(lock.read_text().replace("size", "length", 1))
    with pytest.raises(RuntimeError, match=r"assets\.lock, line 3: expected the key 'size', which is missing"):
        start_proxy(POLICY, options=["--lock", str(lock)])
