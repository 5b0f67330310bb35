"""The newest runtime and toolchain: a JavaScript Worker for real, and a Python Worker up to the bundle that tests cannot have."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.stack import RUNTIME_NEWEST, STACK_NEWEST, Stack, declare_stack

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def stack(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The project's own compose file and image as they are; only the world outside is played."""
    stack = declare_stack(declare_project, tmp_path_factory.mktemp("newest"), "newest", 105, RUNTIME_NEWEST, STACK_NEWEST)
    stack.project.up("internet")
    stack.project.up("hello-js", "gateway")
    return stack


@pytest.fixture(scope="module")
def planned(stack: Stack) -> dict[str, str]:
    """What the runtime was asked for the Python Workers: the one bundle's URL and the digest that it insists on."""
    stack.project.compose("run", "--rm", "--no-deps", "plan")
    text = stack.project.compose("run", "--rm", "--no-deps", "--entrypoint", "cat", "plan", "/plan/plan.json").stdout
    (bundle,) = [asset for asset in json.loads(text)["assets"] if asset["kind"] == "bundle"]
    return dict(bundle)


def bundles(stack: Stack) -> str:
    """List what the store's view holds for runtimes."""
    listing = "import os; p = '/var/lib/drydock/store/runtime'; print(sorted(os.listdir(p)) if os.path.isdir(p) else [])"
    return stack.project.exec("proxy", "python3", "-c", listing).stdout.strip()


def test_a_javascript_worker_answers_and_counts(stack: Stack) -> None:
    """The newest wrangler serves hello-js with D1, and no name was asked for and no connection made on the way."""
    assert stack.hello_js("/hello")[0] == 200
    first, second = (re.search(r"(\d+)</output>", stack.hello_js("/counter")[1]) for _ in range(2))
    assert first
    assert second
    assert int(second.group(1)) == int(first.group(1)) + 1
    stats = stack.stats()
    assert (stats["upstream_connections"], stats["names_refused"]) == (0, 0)


def test_a_javascript_workers_counter_survives_down_and_up(stack: Stack) -> None:
    """Its D1 database lies in its volume."""
    before = re.search(r"(\d+)</output>", stack.hello_js("/counter")[1])
    stack.project.compose("rm", "--force", "--stop", "hello-js")
    stack.project.up("hello-js")
    after = re.search(r"(\d+)</output>", stack.hello_js("/counter")[1])
    assert before
    assert after
    assert int(after.group(1)) == int(before.group(1)) + 1


def test_the_runtime_says_which_bundle_it_wants_and_its_digest(planned: dict[str, str]) -> None:
    """Asked in a closed place, workerd names a URL of the bundle host and a sha256."""
    assert re.fullmatch(r"https://pyodide-capnp-bin\.edgeworker\.net/pyodide_314[\w.-]+\.capnp\.bin", planned["url"])
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", planned["digest"])


def test_the_dry_run_prints_the_plan_and_fetches_nothing(stack: Stack, planned: dict[str, str]) -> None:
    """`warm --dry-run` shows URL, digest and reason of each asset."""
    done = stack.project.compose("run", "--rm", "--no-deps", "warm", "warm", "--plan", "/plan/plan.json", "--dry-run")
    assert planned["url"] in done.stdout
    assert planned["digest"] in done.stdout
    assert "asks for it at compatibility date" in done.stdout


def test_wrong_bytes_are_refused_with_both_digests_and_nothing_is_stored(stack: Stack, planned: dict[str, str]) -> None:
    """An upstream that sends other bytes than the runtime insists on: warm says so, names both digests, and fails."""
    stack.internet.put(planned["url"].removeprefix("https://"), b"not a bundle")
    done = stack.project.compose("run", "--rm", "--no-deps", "warm", check=False)
    assert done.returncode == 1
    assert planned["url"] in done.stderr
    assert planned["digest"] in done.stderr
    assert re.search(r"found sha256:[0-9a-f]{64}", done.stderr)
    assert bundles(stack) == "[]"


def test_the_newest_runtime_asks_the_proxy_and_is_never_given_wrong_bytes(stack: Stack, planned: dict[str, str]) -> None:
    """workerd reaches the proxy over TLS that it trusts; the proxy names URL and both digests, and stores nothing."""
    stack.internet.put(planned["url"].removeprefix("https://"), b"not a bundle")
    stack.project.compose("run", "--detach", "--no-deps", "--name", f"{stack.project.name}-newest", "hello")
    lines = stack.wait_for_journal(lambda line: line.get("event") == "request" and line["url"] == planned["url"])
    assert lines[0]["cut"] or lines[0]["status"] == 502  # no client got an answer that looks complete
    failed = stack.wait_for_journal(lambda line: planned["digest"] in str(line.get("message")))
    assert planned["url"] in failed[0]["message"]
    assert re.search(r"found sha256:[0-9a-f]{64}", failed[0]["message"])
    assert bundles(stack) == "[]"


def test_todays_fastapi_syncs_through_the_proxy_and_the_second_time_nothing_leaves_it(stack: Stack) -> None:
    """pywrangler sync for Python 3.14 with wheels for Pyodide; again, unchanged, and not one upstream connection more."""
    stack.project.compose("run", "--rm", "fastapi-314")
    listing = "import os; print(sorted(os.listdir('/worker/python_modules')))"
    modules = stack.project.compose("run", "--rm", "fastapi-314", "python3", "-c", listing).stdout
    assert "fastapi" in modules
    assert "pydantic_core" in modules
    before = stack.stats()["upstream_connections"]
    stack.project.compose("run", "--rm", "fastapi-314")
    assert stack.stats()["upstream_connections"] == before


def test_deploy_needs_a_token_and_a_dry_run_needs_neither_token_nor_network(stack: Stack) -> None:
    """Without a token `deploy` says so before anything is built; --dry-run bundles offline."""
    refused = stack.project.compose("run", "--rm", "--no-deps", "hello-js", "deploy", check=False)
    assert refused.returncode == 1
    assert "CLOUDFLARE_API_TOKEN is not set" in refused.stderr
    before = stack.stats()["upstream_connections"]
    dry = stack.project.compose("run", "--rm", "--no-deps", "hello-js", "deploy", "--dry-run")
    assert "dry run: nothing was uploaded" in dry.stderr
    assert stack.stats()["upstream_connections"] == before


def test_a_saved_file_is_live_at_once(stack: Stack, tmp_path: Path) -> None:
    """The Worker's `src` is watched where it is mounted: a change is served without a restart."""
    source = REPOSITORY / "workers" / "hello-js"
    copy = tmp_path / "src"
    copy.mkdir()
    for file in (source / "src").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    edited = Stack(stack.project.with_env(E2E_SOURCES=str(copy)), stack.network)
    edited.project.up("reload")
    assert "Hello World" in edited.inside("reload", "/hello")[1]
    pages = copy / "pages.js"
    pages.write_text(pages.read_text().replace("Hello World", "Hello Reload"))
    edited.wait_until(lambda: "Hello Reload" in edited.inside("reload", "/hello")[1], 20)
