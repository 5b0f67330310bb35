"""The containers that play the world outside: the internet with real files, and a corporate proxy in front of it."""

import secrets
from collections.abc import Callable

import pytest

from tests.compose import Project
from tests.internet.build_www import BUNDLE, BUNDLE_SHA256, RELEASE, RELEASE_BLOB
from tests.internet.client import Internet

PASSWORD = secrets.token_urlsafe(12)


@pytest.fixture(scope="module")
def world(declare_project: Callable[..., Project]) -> Project:
    """The internet and the corporate proxy, running."""
    project = declare_project("world", ["tests/e2e/internet.compose.yml"], {"CORPORATE_PASSWORD": PASSWORD})
    project.up("internet", "corporate")
    return project


def through_corporate(world: Project, password: str, *arguments: str) -> str:
    """Fetch inside the network through the corporate proxy, trusting nothing but its root."""
    trust = ["--cacert", "/ca/corporate.pem", "--proxy", f"http://worker:{password}@corporate:3128"]
    return world.exec("corporate", "curl", "--silent", "--show-error", *trust, *arguments, check=False).stdout


def test_the_real_bundle_arrives_through_the_corporate_proxy(world: Project) -> None:
    internet = Internet(world.port("internet", 8081))
    internet.reset()
    through_corporate(world, PASSWORD, "--output", "/tmp/bundle", f"https://{BUNDLE}")
    assert world.exec("corporate", "sha256sum", "/tmp/bundle").stdout.split()[0] == BUNDLE_SHA256
    assert internet.count(BUNDLE) == 1


def test_a_wrong_password_is_answered_with_407_and_logged_without_it(world: Project) -> None:
    wrong = secrets.token_urlsafe(12)
    code = through_corporate(world, wrong, "--output", "/dev/null", "--write-out", "%{http_connect}", f"https://{BUNDLE}")
    assert code == "407"
    assert "TCP_DENIED/407 CONNECT" in world.logs("corporate")
    assert wrong not in world.logs()
    assert PASSWORD not in world.logs()


def test_what_a_test_puts_in_a_files_place_is_what_the_network_gets(world: Project) -> None:
    internet = Internet(world.port("internet", 8081))
    internet.put("pyodide-capnp-bin.edgeworker.net/x.capnp.bin", b"wrong")
    got = through_corporate(world, PASSWORD, "https://pyodide-capnp-bin.edgeworker.net/x.capnp.bin")
    internet.reset()
    assert got == "wrong"


def test_uv_gets_a_pyodide_that_runs_from_the_release(world: Project) -> None:
    """uv follows the release's redirect through the corporate proxy, and Python for WebAssembly answers."""
    internet = Internet(world.port("internet", 8081))
    internet.reset()
    places = "UV_CACHE_DIR=/tmp/uv UV_PYTHON_INSTALL_DIR=/tmp/python UV_NO_CONFIG=1 SSL_CERT_FILE=/ca/corporate.pem"
    proxy = f"HTTPS_PROXY=http://worker:{PASSWORD}@corporate:3128"
    venv = "uv venv --quiet /tmp/venv --python cpython-3.14.2-emscripten-wasm32-musl"
    world.exec("corporate", "sh", "-c", f"cd /tmp && {places} {proxy} {venv}")
    answer = world.exec("corporate", "/tmp/venv/bin/python", "-c", "import sys; print(sys.platform, sys.prefix)")
    assert answer.stdout.split() == ["emscripten", "/tmp/venv"]
    assert (internet.count(RELEASE), internet.count(RELEASE_BLOB)) == (1, 1)
