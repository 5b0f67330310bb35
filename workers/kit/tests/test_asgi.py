"""The way from the runtime's fetch to the application; workers/pyodide takes it with the SDK itself."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from worker_kit.asgi import handle

ADAPTER = """
async def fetch(app, request, env, ctx):
    return (app, request, env, ctx)
"""


async def test_the_adapter_gets_the_javascript_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's adapter is handed the request beneath the SDK's own, and a bare one as it is."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").touch()
    (tmp_path / "workers" / "asgi.py").write_text(ADAPTER)
    # Here `workers` may be this repository's own folder, found before this; the runtime has only the SDK.
    for name in [name for name in sys.modules if name.partition(".")[0] == "workers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    beneath = object()
    assert await handle("app", SimpleNamespace(js_object=beneath), "env", "ctx") == ("app", beneath, "env", "ctx")
    assert await handle("app", beneath, "env") == ("app", beneath, "env", None)
    for name in ("workers.asgi", "workers"):
        monkeypatch.delitem(sys.modules, name)
