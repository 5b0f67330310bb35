"""The state of each known trap on this runtime, for `workers/pyodide/cases.mjs`; GOTCHAS.md names these cases."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import js
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pyodide.ffi import JsException, JsNull, JsProxy
from starlette.middleware.base import BaseHTTPMiddleware
from worker_kit.d1 import Database
from worker_kit.interop import to_js
from workers.rpc import _BindingWrapper

from workers import Request as WorkerRequest
from workers import asgi

ADDRESS = "http://worker.test/"


async def raised(work: Awaitable[object] | Callable[[], object]) -> str:
    """Return the type and text of what `work` raises, empty where it raises nothing."""
    try:
        if callable(work):
            work()
        else:
            await work
    except Exception as error:  # noqa: BLE001 - which error it is, is the question
        return f"{type(error).__name__}: {error}"
    return ""


async def answer(app: Any, path: str) -> Any:
    """Send a GET through the SDK's ASGI adapter."""
    return await asgi.fetch(app, WorkerRequest(js.Request.new(ADDRESS + path)), js.Object.new())


async def case_item_1_flat_options_are_read_nested_ones_are_not() -> None:
    """A flat dict works as options by now; what is nested in it stays a Python object."""
    assert js.Request.new(ADDRESS, {"method": "POST"}).method == "POST"
    assert "not iterable" in await raised(lambda: js.Request.new(ADDRESS, {"headers": {"accept": "a/b"}}))
    assert js.Request.new(ADDRESS, to_js({"headers": {"accept": "a/b"}})).headers.get("accept") == "a/b"


async def case_item_2_bytes_are_sent_as_their_repr() -> None:
    """Python bytes as a body become the text b'…', without an error; converted bytes and text arrive as they are."""
    assert await js.Request.new(ADDRESS, method="POST", body=b"{}").text() == "b'{}'"
    assert await js.Request.new(ADDRESS, method="POST", body=to_js(b"{}")).text() == "{}"
    assert await js.Request.new(ADDRESS, method="POST", body="{}").text() == "{}"


async def case_item_3_a_dict_is_no_headers() -> None:
    """Headers as a dict raise; pairs, or the kit's conversion, do not."""
    assert "not iterable" in await raised(lambda: js.Request.new(ADDRESS, headers={"accept": "a/b"}))
    assert js.Headers.new({"accept": "a/b"}.items()).get("accept") == "a/b"


async def case_item_4_locks_are_taken_threads_do_not_start() -> None:
    """A lock can be made and taken by now; only starting a thread fails."""
    with threading.RLock():
        taken = True
    assert taken
    assert "can't start new thread" in await raised(threading.Thread(target=print).start)
    # No thread, and no error either: the work holds everything up.
    assert await asyncio.to_thread(threading.get_ident) == threading.get_ident()
    assert await asyncio.get_running_loop().run_in_executor(None, threading.get_ident) == threading.get_ident()


async def case_item_5_an_asyncio_lock_orders_the_tasks_of_one_isolate() -> None:
    """asyncio.Lock works, with a time limit as well."""
    lock, order = asyncio.Lock(), []

    async def work(name: str) -> None:
        async with asyncio.timeout(5), lock:
            order.append(name + "+")
            await asyncio.sleep(0)
            order.append(name + "-")

    await asyncio.gather(work("a"), work("b"))
    assert order == ["a+", "a-", "b+", "b-"]


async def case_item_6_only_the_memory_disk_is_there() -> None:
    """A file that is no module is missing; what is written is in memory."""
    assert "FileNotFoundError" in await raised(lambda: open("config.json"))  # noqa: PTH123, SIM115 - the trap itself
    kept = Path("/tmp/gotcha")
    kept.write_text("kept")
    assert kept.read_text() == "kept"
    kept.unlink()


async def case_item_7_sqlite_works_on_the_memory_disk() -> None:
    """Sqlite3 opens a file by now, on the memory disk, which no other isolate sees."""
    base = sqlite3.connect("/tmp/gotcha.db")
    assert base.execute("SELECT 1").fetchall() == [(1,)]
    base.close()
    Path("/tmp/gotcha.db").unlink()


async def case_item_8_a_query_is_a_promise(unwrapped_db: Any) -> None:
    """Without await there is a future, which is true and has no column."""
    asked = unwrapped_db.prepare("SELECT 0 AS a").first("a")
    assert asyncio.isfuture(asked)
    assert asked
    assert await asked == 0


async def case_item_9_a_raw_row_is_a_proxy_a_wrapped_row_a_dict(unwrapped_db: Any) -> None:
    """Raw rows are neither iterable nor subscriptable and no row is not None; the SDK's wrapper gives dicts and None."""
    raw = await unwrapped_db.prepare("SELECT 1 AS a").first()
    assert isinstance(raw, JsProxy)
    assert "not iterable" in await raised(lambda: dict(raw))
    assert "not subscriptable" in await raised(lambda: raw["a"])
    assert "must be a mapping" in await raised(lambda: dict(**raw))
    assert "AttributeError" in await raised(lambda: raw.items())
    assert isinstance(await unwrapped_db.prepare("SELECT 1 WHERE 0").first(), JsNull)
    wrapped = _BindingWrapper(unwrapped_db)
    assert dict(await wrapped.prepare("SELECT 1 AS a").first()) == {"a": 1}
    assert await wrapped.prepare("SELECT 1 WHERE 0").first() is None


async def case_item_10_none_is_refused_raw_and_null_when_wrapped(unwrapped_db: Any, db: Database) -> None:
    """The raw binding refuses None; the SDK's wrapper and the kit bind NULL; an empty string is not NULL."""
    asked = "SELECT ? IS NULL AS absent"
    told = await raised(lambda: unwrapped_db.prepare(asked).bind(None))
    assert "D1_TYPE_ERROR: Type 'undefined' not supported" in told
    assert await _BindingWrapper(unwrapped_db).prepare(asked).bind(None).first("absent") == 1
    assert await db.first(asked, None) == {"absent": 1}
    assert await db.first(asked, "") == {"absent": 0}


async def case_item_11_bindings_are_not_in_the_environment() -> None:
    """os.environ has none of the Worker's names by itself."""
    assert not {"KV", "DB"} & set(os.environ)


async def case_item_12_the_monotonic_clock_counts_from_the_start_of_the_isolate() -> None:
    """time.monotonic goes on while a task waits, from a zero of this isolate's own."""
    start = time.monotonic()
    await asyncio.sleep(0.02)
    assert 0.015 < time.monotonic() - start < 5
    assert start < 600


async def case_item_13_a_missing_table_or_binding_is_an_exception(unwrapped_db: Any) -> None:
    """What is not there raises, and an application has to answer for it."""
    assert "no such table" in await raised(unwrapped_db.prepare("SELECT * FROM nowhere").first())
    assert "AttributeError" in await raised(lambda: js.Object.new().DB)


async def case_item_14_work_after_call_next_is_waited_for(unwrapped_db: Any) -> None:
    """A D1 write after call_next neither breaks the answer nor is lost; it is done before the answer is sent."""
    await unwrapped_db.prepare("CREATE TABLE late (a TEXT)").run()

    class Late(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            response = await call_next(request)
            await unwrapped_db.prepare("INSERT INTO late VALUES ('x')").run()
            response.headers["x-rows"] = str(await unwrapped_db.prepare("SELECT count(*) AS n FROM late").first("n"))
            return response

    app = FastAPI()
    app.add_middleware(Late)

    @app.get("/")
    async def home() -> dict[str, int]:
        return {"ok": 1}

    got = await answer(app, "")
    assert (got.status, await got.text(), got.headers.get("x-rows")) == (200, '{"ok":1}', "1")


async def case_item_14_a_forgotten_task_is_not_waited_for() -> None:
    """The answer is sent while a task that nobody awaits still runs; in a Worker the request may end there."""
    done: list[str] = []
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.append("work")

    app = FastAPI()
    tasks = []

    @app.get("/")
    async def home() -> dict[str, int]:
        tasks.append(asyncio.create_task(work()))
        return {"ok": 1}

    assert (await answer(app, "")).status == 200
    assert done == []
    gate.set()
    await tasks[0]
    assert done == ["work"]


async def case_item_15_every_cookie_is_sent() -> None:
    """The SDK hands each Set-Cookie to JavaScript on its own, in order."""
    app = FastAPI()

    @app.get("/")
    async def home() -> JSONResponse:
        response = JSONResponse({})
        response.delete_cookie("csrf_token")
        response.set_cookie("theme", "dark")
        response.delete_cookie("access_token")
        return response

    sent = list((await answer(app, "")).headers.getSetCookie())
    assert [cookie.partition("=")[0] for cookie in sent] == ["csrf_token", "theme", "access_token"]


async def case_item_16_a_conflict_returns_the_record_that_was_there(unwrapped_db: Any) -> None:
    """An upsert gives the first record's id, and the calculated one breaks a foreign key."""
    await unwrapped_db.prepare("CREATE TABLE users (id TEXT PRIMARY KEY, mail TEXT UNIQUE)").run()
    await unwrapped_db.prepare("CREATE TABLE sessions (id TEXT PRIMARY KEY, user TEXT REFERENCES users(id))").run()
    create = "INSERT INTO users VALUES (?, ?) ON CONFLICT (mail) DO UPDATE SET mail = excluded.mail RETURNING id"
    assert await unwrapped_db.prepare(create).bind("google_1", "a@b").first("id") == "google_1"
    assert await unwrapped_db.prepare(create).bind("github_2", "a@b").first("id") == "google_1"
    insert = unwrapped_db.prepare("INSERT INTO sessions VALUES ('s', ?)")
    try:
        await insert.bind("github_2").run()
        told = ""
    except JsException as error:
        told = str(error)
    assert "FOREIGN KEY constraint failed" in told


async def case_template_a_plain_dependency_runs_inline() -> None:
    """With the SDK's patch of anyio a plain def dependency reads the scope; without it the thread could not start."""
    app = FastAPI()

    def kind(request: Request) -> str:
        return str(request.scope["type"])

    found = Depends(kind)

    @app.get("/")
    async def home(kind: str = found) -> str:
        return kind

    got = await answer(app, "")
    assert (got.status, await got.text()) == (200, '"http"')
