"""Every Worker stays within the runtime's limits."""

from pathlib import Path

import pytest
from measure import MEGABYTE, WORKERS, main, measure, workers_with_health
from pyodide_harness.installation import FOLDER
from pyodide_harness.pyodide import Pyodide

LIMIT = 128 * MEGABYTE
"""Bytes of memory that the runtime allows an isolate."""
PYTHON_WORKERS = {file.parents[1].name for file in WORKERS.glob("*/src/*.py") if (file.parents[1] / "wrangler.jsonc").exists()}


def test_the_workers_with_health_are_found() -> None:
    """Workers that include the kit's router, and no others."""
    found = workers_with_health()
    assert {"discord-bot", "platform-api"} <= set(found)
    assert not {"kit", "pyodide", "hello", "hello-js"} & set(found)


@pytest.mark.parametrize("worker", workers_with_health())
def test_a_worker_that_serves_stays_below_the_limit_of_memory(pyodide: Pyodide, tmp_path: Path, worker: str) -> None:
    """After requests that probe every binding, Pyodide's memory is still below what the runtime allows."""
    figures = measure(pyodide, worker, tmp_path / "log", requests=50)
    assert 0 < figures.memory_started <= figures.memory_served < LIMIT
    assert figures.requests_per_second > 1


@pytest.mark.parametrize("worker", sorted(PYTHON_WORKERS - set(workers_with_health())))
def test_a_worker_that_starts_stays_below_the_limit_of_memory(pyodide: Pyodide, worker: str) -> None:
    """So does a Worker without /health, once its entry is imported."""
    assert 0 < pyodide.measure(WORKERS / worker)["wasm_memory_bytes"] < LIMIT


def test_where_nothing_is_installed_the_command_that_helps_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Pyodide there are no figures, but a sentence."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert main(["discord-bot"]) == 1
    told = capsys.readouterr().err
    assert "npm ci --ignore-scripts" in told or "Pyodide needs Node" in told
