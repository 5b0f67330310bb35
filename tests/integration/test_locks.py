"""A proxy that follows a lock: it serves the locked bytes alone, online and offline, and takes over no lock that was altered."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running import RunningProxy, drydock, plain_environment
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


@pytest.mark.fault("52")
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


def wheel(version: str) -> bytes:
    """Make a wheel of the project `demo`, the least that installers take."""
    made = io.BytesIO()
    info = f"demo-{version}.dist-info"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("demo.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return made.getvalue()


def publish(upstream: Upstream, *versions: str) -> None:
    """Put these versions of `demo` onto the index."""
    files = [f"demo-{version}-py3-none-any.whl" for version in versions]
    links = "".join(f'<a href="https://assets.example/{name}">{name}</a>' for name in files)
    upstream.route("/simple/demo/", links.encode(), cache_control="max-age=0", content_type="text/html")
    for name, version in zip(files, versions, strict=True):
        upstream.route(f"/{name}", wheel(version))


def resolve_with_uv(proxy: RunningProxy, place: Path) -> str:
    """Let uv, with a cache of its own, install the newest `demo` through a proxy; return the version, or what it said."""
    environment = plain_environment(place.parent) | {
        "HTTPS_PROXY": proxy.proxy_url,
        "SSL_CERT_FILE": str(proxy.ca),
        "UV_DEFAULT_INDEX": "https://index.example/simple/",
        "UV_CACHE_DIR": str(place / "cache"),
        "UV_HTTP_RETRIES": "0",
    }
    command = ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", str(place / "installed"), "demo"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        return done.stderr
    return (place / "installed/demo.py").read_text().strip()


def test_a_resolution_is_the_same_offline_although_the_index_went_on(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], tmp_path: Path
) -> None:
    """A real uv finds what it found when the lock was written, and not what others read since; without the lock it does."""
    upstream = start_upstream("assets.example", "index.example")
    ca = upstream.write_ca(tmp_path / "internet.pem")
    of_upstream = {"resolve": upstream.resolve, "upstream_ca": ca}
    online = start_proxy(POLICY, **of_upstream)
    publish(upstream, "1.0")
    assert resolve_with_uv(online, tmp_path / "first") == "VERSION = '1.0'"
    lock = tmp_path / "assets.lock"
    policy = tmp_path / "drydock.toml"
    policy.write_text(POLICY)
    command = [drydock(), "lock", "--url", "https://assets.example/demo-1.0-py3-none-any.whl", "--output", str(lock)]
    command += ["--store", str(online.store), "--config", str(policy), "--upstream-ca", str(ca)]
    command += [f"--resolve={entry}" for entry in upstream.resolve]
    done = subprocess.run(command, env=plain_environment(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 asset, 1 index page" in done.stderr
    publish(upstream, "1.0", "2.0")
    assert resolve_with_uv(online, tmp_path / "second") == "VERSION = '2.0'"
    online.stop()
    upstream.stop()

    offline = start_proxy(POLICY, mode="offline", options=["--lock", str(lock)])
    assert resolve_with_uv(offline, tmp_path / "third") == "VERSION = '1.0'"
    assert offline.stats()["upstream_connections"] == 0
    assert set(offline.stats()["requests"]) == {"hit"}
    offline.stop()
    lock.write_text("version = 1\n")
    unlocked = start_proxy(POLICY, mode="offline", options=["--lock", str(lock)])
    assert resolve_with_uv(unlocked, tmp_path / "fourth") == "VERSION = '2.0'"
