"""A cold start downloads the runtime's real bundle once; every later start needs the store alone."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024, Stack, declare_stack
from tests.internet.build_www import BUNDLE

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cold(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Two Python Workers, started from nothing with the internet at hand."""
    stack = declare_stack(declare_project, tmp_path_factory.mktemp("cold"), "cold", 101, RUNTIME_2024)
    stack.project.up("internet")
    stack.project.up("hello", "twin", "gateway")
    return stack


@pytest.fixture(scope="module")
def warm(cold: Stack) -> Stack:
    """The same after `down`, with no internet any more and no connection upstream allowed."""
    visits(cold)
    cold.project.down(volumes=False)
    offline = Stack(cold.project.with_env(DRYDOCK_MODE="offline"), cold.network)
    offline.project.up("hello", "gateway")
    return offline


def visits(stack: Stack) -> int:
    """Visit the counter and return what it shows."""
    status, page = stack.hello("/counter")
    assert status == 200, page
    found = re.search(r'id="hits">(\d+)<', page)
    assert found, page
    return int(found.group(1))


def workerd_says(stack: Stack) -> str:
    """Return what the wrapper says before it hands over to workerd."""
    wrapper = ("run", "--rm", "--no-deps", "--entrypoint", "workerd-cached", "hello", "serve", "--help")
    done = stack.project.compose(*wrapper, check=False)
    return done.stdout + done.stderr


def test_a_python_worker_answers_on_the_real_runtime(cold: Stack) -> None:
    """Python runs in workerd: its version and an in-memory sqlite3 are on the status page."""
    status, page = cold.hello("/status")
    assert status == 200
    assert "emscripten" in page
    assert "SQLite in memory</th><td>works" in page


def test_the_counter_counts_in_d1(cold: Stack) -> None:
    """Each visit is one more than the last."""
    first = visits(cold)
    assert visits(cold) == first + 1


def test_what_a_form_sends_is_shown_as_text(cold: Stack) -> None:
    """HTML that somebody sends does not become HTML of the page."""
    status, page = cold.hello("/form", {"name": "<b>Ada</b>", "message": "<script>alert(1)</script>"})
    assert status == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>" not in page


def test_upstream_saw_one_request_for_the_bundle(cold: Stack) -> None:
    """Two Workers started, and the bundle was fetched once."""
    assert cold.internet.count(BUNDLE) == 1


def test_the_second_start_needs_no_network(warm: Stack) -> None:
    """With the internet gone the Worker answers, and the proxy tried no upstream connection."""
    assert warm.hello("/status")[0] == 200
    assert warm.stats()["upstream_connections"] == 0


def test_the_counter_survives_down_and_up(warm: Stack) -> None:
    """D1 lies in the Worker's volume: counting goes on where it was."""
    assert visits(warm) >= 2


def test_the_warm_start_read_the_bundle_from_disk(warm: Stack) -> None:
    """workerd asked nobody for its bundle: the store's read-only view had it."""
    warm.hello("/status")
    assert not [line for line in warm.journal() if BUNDLE.rpartition("/")[2] in str(line.get("url"))]


def test_the_disk_cache_alone_starts_a_worker_without_any_network(warm: Stack) -> None:
    """A container with no network but loopback starts from the store's view."""
    warm.project.up("isolated")
    assert warm.inside("isolated", "/") == (200, "ok")


def test_a_flipped_byte_in_the_bundle_is_left_out_said_and_mended(warm: Stack) -> None:
    """workerd is not shown bytes that the sums do not vouch for; `warm` quarantines them and fetches the bundle again."""
    view = "/var/lib/drydock/store/runtime"
    flip = (
        "import glob, os; p = glob.glob('" + view + "/*.capnp.bin')[0]; os.chmod(p, 0o644); "
        "f = open(p, 'r+b'); f.seek(5000); b = f.read(1); f.seek(5000); f.write(bytes([b[0] ^ 1])); f.close()"
    )
    warm.project.exec("proxy", "python3", "-c", flip)
    assert "SHA256SUMS does not match" in workerd_says(warm)
    # upstream is back: the damaged blob is quarantined and fetched again
    mended = Stack(warm.project.with_env(DRYDOCK_MODE="online"), warm.network)
    mended.project.up("internet")
    mended.project.compose("run", "--rm", "warm")
    assert "does not match" not in workerd_says(mended)
    assert mended.internet.count(BUNDLE) == 1


def test_stopping_takes_a_second(cold: Stack) -> None:
    """No service waits for a signal that nobody handles."""
    cold.project.compose("up", "--detach", "--wait", "proxy", "gateway")
    started = time.monotonic()
    cold.project.compose("stop", "--timeout", "10", "proxy", "gateway")
    assert time.monotonic() - started < 3


def test_the_ca_key_is_where_only_the_proxy_looks(warm: Stack, tmp_path: Path) -> None:
    """Of all services the proxy alone mounts the volume with the CA's key, and its modes keep others out."""
    config = warm.project.compose("config", "--format", "json").stdout
    services = json.loads(config)["services"]
    mounting = [
        name for name, service in services.items() for mount in service.get("volumes", ()) if mount.get("source") == "state"
    ]
    assert mounting == ["proxy"]
    warm.project.compose("up", "--detach", "--wait", "proxy")
    modes = "import os, glob; print([oct(os.stat(p).st_mode & 0o777) for p in sorted(glob.glob('/var/lib/drydock/state/*/*'))])"
    assert warm.project.exec("proxy", "python3", "-c", modes).stdout.strip() == "['0o600']"
