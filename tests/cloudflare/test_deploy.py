"""A deployment with the real wrangler, against a server that plays Cloudflare's API."""

from collections.abc import Callable
from pathlib import Path

from tests.cloudflare.conftest import DATABASE, NAMESPACE, Deploy, Played

SECRETS = "DISCORD_PUBLIC_KEY=0f0f0f\nAPI_KEY='pa$$word'\n"


def files(folder: Path) -> dict[str, bytes]:
    """Return what a deployment must carry: sources below src, and python_modules, without what is compiled."""
    found = {path.relative_to(folder / "src"): path for path in (folder / "src").rglob("*.py")}
    found |= {path.relative_to(folder): path for path in (folder / "python_modules").rglob("*")}
    return {name.as_posix(): path.read_bytes() for name, path in found.items() if path.is_file() and path.suffix != ".pyc"}


def test_every_module_and_binding_is_uploaded(deploy: Callable[..., Deploy], played: Played) -> None:
    """What Cloudflare gets of discord-bot is, byte for byte, its sources, the kit and its packages; and all that it is bound to."""
    worker = deploy("discord-bot")
    done = worker(secrets=SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    script = played.cloudflare.scripts["discord-bot"]
    (upload,) = script.uploads
    assert dict(upload.modules) == files(worker.folder)
    assert {"python_modules/fastapi/__init__.py", "python_modules/worker_kit/d1.py", "discord_bot/app.py"} <= set(upload.modules)
    assert upload.metadata["main_module"] == "main.py"
    assert upload.metadata["compatibility_date"] == "2026-11-01"
    assert upload.metadata["compatibility_flags"] == ["python_workers"]
    assert upload.bindings["KV"] == {"name": "KV", "type": "kv_namespace", "namespace_id": NAMESPACE}
    assert upload.bindings["DB"] == {"name": "DB", "type": "d1", "id": DATABASE}
    assert upload.bindings["AI"]["type"] == "ai"
    assert upload.bindings["ENVIRONMENT"]["text"] == "development"
    assert script.crons == ["0 14 * * *", "0 14 * * MON"]
    assert script.live == ["00000001-0000-4000-8000-000000000000"]
