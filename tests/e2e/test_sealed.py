"""From nothing, sealed: with empty volumes and nothing outside, packages install and Workers start from the store alone."""

import json
from collections.abc import Callable

import pytest

from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024, Stack, declare_stack
from tests.internet.build_www import RELEASE

pytestmark = pytest.mark.timeout(900)

# HEAD and then a Range, as uv asks for wheels of indexes without metadata files.
HEAD_AND_RANGE = """
import sys, urllib.request
def ask(method, **headers):
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1], method=method, headers=headers), timeout=20) as answer:
        return answer.status, answer.headers, answer.read()
status, headers, body = ask("HEAD")
size = int(headers["Content-Length"])
part = ask("GET", Range=f"bytes={size - 100}-")
whole = ask("GET")
print([status, body == b"", part[0], part[1]["Content-Range"] == f"bytes {size - 100}-{size - 1}/{size}", whole[2][-100:] == part[2]])
"""


@pytest.fixture(scope="module")
def online(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A FastAPI Worker that installed its packages through the proxy: npm ci, pywrangler sync, and the runtime's bundle."""
    stack = declare_stack(declare_project, tmp_path_factory.mktemp("sealed"), "sealed", 103, RUNTIME_2024)
    stack.project.up("internet")
    stack.project.up("fastapi", seconds=800)
    return stack


@pytest.fixture(scope="module")
def sealed(online: Stack) -> Stack:
    """The same Worker from an empty volume, with the internet gone and a proxy that may not go upstream."""
    assert online.inside("fastapi", "/versions")[0] == 200
    online.project.down(volumes=False)
    online.project.remove_volume("fastapi-work")
    offline = Stack(online.project.with_env(DRYDOCK_MODE="offline"), online.network)
    offline.project.up("fastapi", seconds=800)
    return offline


def wheel(stack: Stack) -> str:
    """Return the URL of a wheel that the first installation fetched."""
    urls = [str(line["url"]) for line in stack.journal() if line.get("event") == "request" and line["status"] == 200]
    return next(url for url in urls if url.endswith(".whl"))


def test_fastapi_answers_with_packages_that_came_through_the_proxy(online: Stack) -> None:
    """pywrangler's packages for Python 3.14 serve requests on the real runtime."""
    status, body = online.inside("fastapi", "/versions")
    assert status == 200
    assert json.loads(body) == {"fastapi": "0.110.3", "pydantic": "1.10.26"}


def test_a_second_start_of_a_synced_worker_asks_for_nothing(online: Stack) -> None:
    """A recreated container with its volume kept installs nothing again: nothing leaves the proxy."""
    before = online.stats()["upstream_connections"]
    online.project.compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "fastapi")
    assert online.inside("fastapi", "/healthz")[0] == 200
    assert online.stats()["upstream_connections"] == before


def test_everything_installs_and_starts_from_the_store_alone(sealed: Stack) -> None:
    """npm ci, pywrangler sync and the runtime succeed from an empty volume, and the proxy tried no upstream connection."""
    assert sealed.inside("fastapi", "/versions")[0] == 200
    said = sealed.project.logs("fastapi")
    assert "npm packages: done" in said
    assert "Python packages: done" in said
    stats = sealed.stats()
    assert stats["upstream_connections"] == 0
    assert stats["requests"]["hit"] > 10


def test_the_interpreter_came_from_the_store_under_its_own_name(sealed: Stack) -> None:
    """GitHub's redirect is signed anew each time; the archive is found by the URL that does not change."""
    (line,) = [line for line in sealed.journal() if line.get("event") == "request" and RELEASE in line["url"]]
    assert (line["status"], line["outcome"]) == (200, "hit")


def test_head_and_range_are_answered_from_the_store(sealed: Stack) -> None:
    """A wheel that was stored whole answers HEAD, a range of its end, and GET with the same bytes."""
    done = sealed.project.exec("fastapi", "worker-entrypoint", "python3", "-c", HEAD_AND_RANGE, wheel(sealed))
    assert json.loads(done.stdout.lower().replace("'", '"')) == [200, True, 206, True, True]


def test_what_is_not_in_the_store_is_a_504_that_says_what_to_do(sealed: Stack) -> None:
    """A miss is answered at once with the URL, the reason and the command."""
    url = "https://pyodide.runtime-playground.workers.dev/pyodide-capnp-bin/other.capnp.bin"
    script = (
        "import sys, urllib.request, urllib.error\n"
        "try: urllib.request.urlopen(sys.argv[1], timeout=10)\n"
        "except urllib.error.HTTPError as error: print(error.code); print(error.read().decode())"
    )
    done = sealed.project.exec("fastapi", "worker-entrypoint", "python3", "-c", script, url)
    status, _, body = done.stdout.partition("\n")
    assert status == "504"
    answer = json.loads(body)
    assert answer["url"] == url
    assert "offline" in answer["reason"]
    assert "drydock warm" in answer["mend"]
