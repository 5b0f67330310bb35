"""Every curl line of every Worker's README answers as a reader expects: run with curl, against the Worker in real Pyodide."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyodide_harness.pyodide import Pyodide
from readme_lines import CurlLine, curl_lines, run

WORKERS = Path(__file__).parents[2]
SERVED = {
    configuration.parent.name: configuration.parent
    for configuration in sorted(WORKERS.glob("*/wrangler.jsonc"))
    if any((configuration.parent / "src").rglob("*.py"))
} | {"pyodide": WORKERS / "template"}
"""Folders whose README has curl lines, with the Worker that they are about; hello-js is not in Python."""
for folder in ("discord-bot/tests", "platform-api/tests", "kit/src"):
    sys.path.append(str(WORKERS / folder))


@contextmanager
def around_discord_bot() -> Iterator[dict[str, Any]]:
    """Serve Discord, Sanity and a model to discord-bot, with webhooks in KV as step 4 of its README puts them there."""
    from bot_bench import services, worker  # type: ignore[import-not-found] # of a Worker's own tests

    running = services.start()
    discord, sanity, ai = (service.port for service in running.all())
    try:
        yield {
            "variables": worker.variables(discord, sanity),
            "kv": {f"KV/{key}": value for key, value in worker.kv(discord).items()},
            "ai": f"http://127.0.0.1:{ai}",
        }
    finally:
        for service in running.all():
            service.close()


@contextmanager
def around_platform_api() -> Iterator[dict[str, Any]]:
    """Serve Sanity, a model and discord-bot to platform-api, with the document that its README asks for."""
    from platform_api_testing import environment, stub  # type: ignore[import-not-found] # likewise

    with stub.serve() as upstreams:
        upstreams.publish("event", "demo-day", tags=["robotics"])
        yield {"variables": environment.variables(upstreams.url), "ai": f"{upstreams.url}/ai"}


@contextmanager
def alone() -> Iterator[dict[str, Any]]:
    """Serve nothing: most Workers call nobody."""
    yield {}


SURROUNDINGS = {"discord-bot": around_discord_bot, "platform-api": around_platform_api}


def secrets_of(worker: Path) -> dict[str, str]:
    """Return what `.dev.vars.example` says before anybody fills it in."""
    example = worker / ".dev.vars.example"
    lines = example.read_text().splitlines() if example.exists() else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in pairs}


@pytest.mark.parametrize("folder", SERVED)
def test_the_curl_lines_of_the_readme_answer(pyodide: Pyodide, tmp_path: Path, folder: str) -> None:
    """In their order, with the secrets of the example: the status of the comment behind a line, without one a 2xx."""
    lines = curl_lines((WORKERS / folder / "README.md").read_text())
    assert lines, f"workers/{folder}/README.md has no curl line"
    worker = SERVED[folder]
    with SURROUNDINGS.get(worker.name, alone)() as surroundings:
        example = secrets_of(worker)
        # The README's lines carry the example's key; what else is secret is as the servers around the Worker want it.
        variables = example | surroundings.pop("variables", {}) | {"API_KEY": example.get("API_KEY", "")}
        with pyodide.serve(worker, log=tmp_path / "log", variables=variables, **surroundings) as served:
            answers = [(line, *run(line, served.url, example, tmp_path)) for line in lines]
    wrong = [f"{line.command}\n{printed}" for line, status, printed in answers if not line.is_right(status)]
    assert not wrong, "\n\n".join(wrong)


def test_a_line_keeps_its_continuations_its_assignments_and_the_status_it_tells() -> None:
    """What stands outside of code blocks, and what is no curl, is left alone; a status within a comment's text is no promise."""
    block = "U=http://127.0.0.1:1\ncp a b\ncurl $U/a \\\n  -d x    # 401: nobody signs\ncurl $U/b  # one; 304 later\n"
    assert curl_lines(f"curl nowhere\n```sh\n{block}```\n") == [
        CurlLine("curl $U/a    -d x    # 401: nobody signs", ("U=http://127.0.0.1:1",), 401),
        CurlLine("curl $U/b  # one; 304 later", ("U=http://127.0.0.1:1",), None),
    ]


def test_a_line_that_answers_otherwise_or_not_at_all_is_wrong(peer_url: str, tmp_path: Path) -> None:
    """Also where curl itself fails: no answer is no status."""
    line, refused = curl_lines("```\ncurl http://127.0.0.1:1/echo\ncurl http://127.0.0.1:1/echo   # 401: refused\n```\n")
    assert line.is_right(run(line, peer_url, {}, tmp_path)[0])
    assert not refused.is_right(run(refused, peer_url, {}, tmp_path)[0])
    status, printed = run(line, "http://127.0.0.1:9", {}, tmp_path)
    assert not line.is_right(status)
    assert "curl: (7)" in printed
