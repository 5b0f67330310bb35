"""AI, services and the border itself, as far as CPython can show them; contract/runtime_cases.py shows the rest."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from worker_kit.ai import Model, ModelError
from worker_kit.errors import MissingSetting
from worker_kit.interop import LARGEST_INTEGER, _without_none, is_missing, null_for_none, to_js, to_py
from worker_kit.javascript import NULL, JsError, abort, runtime_fetch, unwrap
from worker_kit.kv import Namespace, NamespaceError
from worker_kit.service import Service
from worker_kit.testing import FakeAI, FakeD1, FakeKV, FakeService
from worker_kit.testing.objects import JsArray, JsObject
from worker_kit.transport import FetchTransport


def test_cpython_has_no_other_side() -> None:
    """Values go out as they are; what stands for null comes back as None, at every depth."""
    value = {"a": [None, b"x"]}
    assert to_js(value) is value
    assert null_for_none(None) is NULL
    assert null_for_none(0) == 0
    assert is_missing(NULL)
    assert not is_missing(0)
    assert not NULL
    assert repr(NULL) == "jsnull"
    assert to_py(NULL) is None
    assert to_py(JsObject({"a": JsArray([NULL, JsObject({"b": 1})]), "c": memoryview(b"x")})) == {
        "a": [None, {"b": 1}],
        "c": b"x",
    }
    assert to_py([bytearray(b"x"), NULL]) == [b"x", None]
    assert runtime_fetch() is None
    assert abort()[0] is None
    assert unwrap(value) is value


def test_values_are_made_ready_to_cross() -> None:
    """None is null at every depth, tuples are lists, buffers are bytes, and the largest integers are reals; the rest is untouched."""
    found = _without_none({"a": (None, bytearray(b"x")), "n": [LARGEST_INTEGER, -LARGEST_INTEGER, 1, True], "s": "t"})
    assert found == {"a": [NULL, b"x"], "n": [float(LARGEST_INTEGER), -float(LARGEST_INTEGER), 1, True], "s": "t"}
    assert [type(value) for value in found["n"]] == [float, float, int, bool]


def test_bytes_are_read_by_their_kind() -> None:
    """A buffer of JavaScript is bytes."""
    buffer = SimpleNamespace(constructor=SimpleNamespace(name="ArrayBuffer"), to_py=list, to_bytes=lambda: b"x")
    assert to_py(buffer) == b"x"


def test_objects_are_opaque_until_converted() -> None:
    """An object's keys are attributes, and `dict()` of it is a TypeError; an array has items and a length."""
    row = JsObject({"a": 1})
    assert row.a == 1
    assert not hasattr(row, "b")
    with pytest.raises(TypeError):
        dict(row)
    assert (JsArray([1, 2])[1], len(JsArray([1, 2]))) == (2, 2)


async def test_a_model_answers() -> None:
    """An answer is Python values, made of what the model was asked."""
    fake = FakeAI(lambda model, inputs: {"response": f"{model} {inputs['prompt']}"})
    model = Model(Model(fake))
    assert await model.run("@cf/m", {"prompt": "p"}) == {"response": "@cf/m p"}
    assert fake.calls == [("@cf/m", {"prompt": "p"})]
    assert [piece async for piece in await Model(FakeAI("one two")).stream("@cf/m", {})] == ["one ", "two "]


async def test_a_models_refusal_is_told_before_the_first_piece() -> None:
    """A refusal is ModelError with the model's name, for an answer and for a stream."""
    model = Model(FakeAI(broken="no such model"))
    with pytest.raises(ModelError, match=r"^@cf/m: no such model$"):
        await model.run("@cf/m", {})
    with pytest.raises(ModelError, match=r"^@cf/m: no such model$"):
        await model.stream("@cf/m", {})
    with pytest.raises(MissingSetting):
        Model(None)


async def streamed(*chunks: bytes | Exception) -> list[str]:
    """Return the pieces of a stream of these chunks."""

    async def run(*_: Any) -> AsyncIterator[bytes]:
        async def chunked() -> AsyncIterator[bytes]:
            for chunk in chunks:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk

        return chunked()

    return [piece async for piece in await Model(SimpleNamespace(run=run)).stream("@cf/m", {})]


async def test_a_stream_may_be_cut_anywhere() -> None:
    """Pieces are whole, wherever the chunks end, also without the last line's end; comments and empty pieces are left out."""
    raw = 'data: {"response": "é"}\n\n: comment\ndata: {"response": ""}\nevent: x\ndata: {"response": "b"}'.encode()
    for cut in range(1, len(raw)):
        assert await streamed(raw[:cut], raw[cut:]) == ["é", "b"]
    assert await streamed(raw, b"\ndata: [DONE]\n\ndata: nonsense\n") == ["é", "b"]


@pytest.mark.parametrize("chunks", [(b"data: nonsense\n",), (b"data: [1]\n",), (JsError("reset"),)])
async def test_a_broken_stream_is_told(chunks: tuple[bytes | Exception, ...]) -> None:
    """What is no event of a model, and a stream that breaks, are ModelError."""
    with pytest.raises(ModelError, match="stream"):
        await streamed(*chunks)


async def test_a_service_is_an_application() -> None:
    """Method, path, headers and body reach the other application, and its answer returns with all its cookies."""

    async def echo(request: Request) -> Response:
        answer = JSONResponse(
            {"body": (await request.body()).decode(), "key": request.headers["x-key"], "q": request.query_params["q"]}
        )
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer

    fake = FakeService(Starlette(routes=[Route("/echo", echo, methods=["POST"])]))
    answer = await Service(fake).request("POST", "/echo", params={"q": "1"}, json={"é": 1}, headers={"x-key": "k"})
    assert answer.json() == {"body": '{"é":1}', "key": "k", "q": "1"}
    assert len(answer.headers.get_list("set-cookie")) == 2
    assert fake.requests[0].url.path == "/echo"


async def test_a_service_by_a_function() -> None:
    """A function answers too; without one the answer is an empty 204; a broken one is an error of transport."""
    fake = FakeService(handler=lambda request: httpx.Response(201, json={"at": request.url.path}))
    assert (await Service(fake).request("GET", "/x")).json() == {"at": "/x"}
    assert (await Service(FakeService()).request("GET", "/x")).status_code == 204
    with pytest.raises(httpx.ConnectError, match=r"service\.internal: down"):
        await Service(FakeService(broken="down")).request("GET", "/x")
    found = await FakeService(handler=lambda _: httpx.Response(200, json={"a": 1})).fetch("http://x.test/")
    assert (await found.json(), await found.text()) == ({"a": 1}, '{"a":1}')


class Recorder:
    """A fetch that keeps what it was given, and answers with a header that says the body is packed, which it is not any more."""

    def __init__(self, wait: float = 0) -> None:
        self.wait = wait
        self.init: dict[str, Any] = {}

    async def __call__(self, url: str, init: dict[str, Any]) -> Any:
        """Answer."""
        await asyncio.sleep(self.wait)
        self.init = init
        headers = [("Content-Encoding", "gzip"), ("content-length", "3"), ("x-one", "1")]

        async def body() -> bytes:
            return b"unpacked"

        return SimpleNamespace(status=200, headers=headers, arrayBuffer=body)


@pytest.mark.parametrize(
    ("kind", "content", "sent"),
    [
        ("application/json", b"{}", "{}"),
        ("application/x-www-form-urlencoded", b"a=1", "a=1"),
        ("application/problem+json; charset=utf-8", b"{}", "{}"),
        ("text/plain; charset=latin-1", b"\xe9", b"\xe9"),
        ("application/octet-stream", b"{}", b"{}"),
        ("image/png", b"\x89", b"\x89"),
    ],
)
async def test_text_goes_as_a_string_and_the_rest_as_bytes(kind: str, content: bytes, sent: str | bytes) -> None:
    """Text is a string for fetch, binary is bytes, and text in another charset keeps its bytes."""
    fetch = Recorder()
    async with httpx.AsyncClient(transport=FetchTransport(fetch)) as client:
        answer = await client.post("http://x.test/", content=content, headers={"content-type": kind})
    assert fetch.init["body"] == sent
    assert not {"host", "content-length"} & {name for name, _ in fetch.init["headers"]}
    assert answer.content == b"unpacked"
    assert answer.headers["x-one"] == "1"


async def test_no_answer_in_time_is_a_timeout() -> None:
    """A fetch that takes too long is httpx.ReadTimeout, with the client's limit or without any."""
    async with httpx.AsyncClient(transport=FetchTransport(Recorder(5)), timeout=0.05) as client:
        with pytest.raises(httpx.ReadTimeout, match=r"no answer from x\.test in 0\.05 s"):
            await client.get("http://x.test/")
    async with httpx.AsyncClient(transport=FetchTransport(Recorder()), timeout=None) as client:
        assert (await client.get("http://x.test/")).status_code == 200


async def test_a_broken_namespace_is_told() -> None:
    """Each call of a namespace that fails is NamespaceError."""
    kv = Namespace(FakeKV(broken="down"))
    for work in (kv.get_text("k"), kv.put("k", "v"), kv.delete("k"), kv.keys()):
        with pytest.raises(NamespaceError, match="500 down"):
            await work


async def test_a_namespaces_forms() -> None:
    """The stand-in takes a type as the runtime does: a word, a keyword or options; JSON is an object; an unknown type is told."""
    kv = FakeKV({"o": '{"a": 1}', "l": "[1]", "n": "1", "x": "{"})
    assert (await kv.get("o", type="json")).a == 1
    assert (await kv.get("l", {"type": "json"}))[0] == 1
    assert await kv.get("n", "json") == 1
    await kv.put("t", "v", expirationTtl=60)
    for key, kind, sentence in (("x", "json", "SyntaxError"), ("o", "xml", "Possible types")):
        with pytest.raises(JsError, match=sentence):
            await kv.get(key, kind)


async def test_a_value_ends_with_its_time() -> None:
    """After its time to live a value is gone from reads and from the list."""
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    kv = Namespace(FakeKV(now=lambda: clock[0]))
    await kv.put("key", "value", ttl=60)
    clock[0] += timedelta(seconds=59)
    assert await kv.get_text("key") == "value"
    clock[0] += timedelta(seconds=1)
    assert await kv.get_text("key") is None
    assert await kv.keys() == []


async def test_a_databases_other_forms() -> None:
    """The stand-in gives one column, raw rows, and runs scripts first."""
    with_rows = FakeD1("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL)")
    statement = with_rows.prepare("SELECT * FROM t")
    assert await statement.first("a") == 1
    assert await statement.first("b") is NULL
    assert (await statement.raw()).to_py() == [[1, None]]
    with_rows.close()
