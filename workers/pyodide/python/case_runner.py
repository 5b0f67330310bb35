"""Run cases (`async def case_…`) in Pyodide, each with empty bindings, and say how each ended."""

import importlib
import inspect
import json
import time
import traceback
from collections.abc import Callable
from typing import Any

from worker_kit.d1 import Database
from worker_kit.kv import Namespace
from workers.rpc import _EnvWrapper

TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"
)


async def run(modules: list[str], env: Any, values: dict[str, str], report: Callable[[str], None]) -> int:
    """Run every case of `modules`, with the bindings as they are and through the SDK's wrapper; return how many failed.

    A case names what it needs as parameters: kv, db (the kit's), raw_kv, raw_db (either form), unwrapped_db (not the SDK's),
    values (what the command line set). One that needs no binding runs once.
    """
    failed = 0
    for name in modules:
        module = importlib.import_module(name)
        for title, case in list(vars(module).items()):
            if not title.startswith("case_"):
                continue
            wanted = inspect.signature(case).parameters
            forms = (
                ["unwrapped"] if "unwrapped_db" in wanted else ["unwrapped", "sdk"] if set(wanted) - {"values"} else ["plain"]
            )
            for form in forms:
                failed += await _one(
                    case, f"{name}.{title}[{form}]", wanted, _EnvWrapper(env) if form == "sdk" else env, values, report
                )
    return failed


async def _one(case: Any, title: str, wanted: Any, env: Any, values: dict[str, str], report: Callable[[str], None]) -> int:
    outcome: dict[str, Any] = {"case": title, "ok": True}
    start = time.perf_counter()
    try:
        given: dict[str, Any] = {"values": values}
        if set(wanted) - {"values"}:
            kv, db = Namespace(env.KV), Database(env.DB)
            await _empty(kv, db)
            given |= {"kv": kv, "raw_kv": env.KV, "db": db, "raw_db": env.DB, "unwrapped_db": env.DB}
        await case(**{name: given[name] for name in wanted})
    except Exception:  # noqa: BLE001 - the outermost edge: a case may fail in any way, and the next one still runs
        outcome |= {"ok": False, "error": traceback.format_exc()}
    outcome["seconds"] = round(time.perf_counter() - start, 3)
    report(json.dumps(outcome))
    return 0 if outcome["ok"] else 1


async def _empty(kv: Namespace, db: Database) -> None:
    for key in await kv.keys():
        await kv.delete(key)
    tables = [row["name"] for row in await db.all(TABLES)]
    if tables:
        await db.batch([("PRAGMA defer_foreign_keys = ON", []), *((f'DROP TABLE "{name}"', []) for name in reversed(tables))])
