"""What only the runtime can show: real JavaScript values, its fetch, its clock and its one thread."""

import asyncio
import threading
import time
from typing import Any

import httpx
import js
from pyodide.ffi import JsException, JsProxy, jsnull
from worker_kit import http
from worker_kit.ai import Model, ModelError
from worker_kit.interop import to_js, to_py
from worker_kit.javascript import unwrap
from worker_kit.service import Service


def json_of(value: Any) -> str:
    """Return what JavaScript itself takes `value` for."""
    return str(js.JSON.stringify(value))


async def case_dicts_become_plain_objects() -> None:
    """Dicts are plain objects at every depth, with null where Python has None."""
    value = to_js({"a": {"b": [1, None, {"c": "é"}]}, "t": (1, 2), "yes": True})
    assert json_of(value) == '{"a":{"b":[1,null,{"c":"é"}]},"t":[1,2],"yes":true}'
    assert value.a.constructor.name == "Object"


async def case_a_raw_dict_is_half_an_object() -> None:
    """Without the kit JavaScript sees a dict's own keys, but takes nested headers for a list of pairs and refuses them."""
    url = "http://somewhere.test/"
    assert js.Request.new(url, {"method": "POST"}).method == "POST"
    options = {"method": "POST", "headers": {"x-one": "1"}}
    try:
        js.Request.new(url, options)
        refused = False
    except JsException:
        refused = True
    assert refused
    assert js.Request.new(url, to_js(options)).headers.get("x-one") == "1"


async def case_bytes_become_uint8array() -> None:
    """Bytes are a copy in a Uint8Array, and come back as bytes."""
    value = to_js(b"\x00\xff")
    assert value.constructor.name == "Uint8Array"
    assert to_py(value) == b"\x00\xff"
    assert to_py(value.buffer) == b"\x00\xff"
    assert to_py(to_js({"a": bytearray(b"x")})) == {"a": b"x"}


async def case_nothing_is_none() -> None:
    """null and undefined are None, alone and nested."""
    assert to_py(jsnull) is None
    assert to_js(None) is jsnull
    assert to_py(js.JSON.parse('{"a": null, "b": [null]}')) == {"a": None, "b": [None]}


async def case_the_largest_integer_is_a_number() -> None:
    """2**53 - 1 crosses as a Number; one more is a BigInt."""
    assert js.Array.of(to_js(2**53 - 1)).toString() == "9007199254740991"
    assert js.Number.isSafeInteger(to_js(2**53 - 1))
    assert not js.Number.isSafeInteger(to_js(2**53))


async def case_what_has_no_counterpart_stays() -> None:
    """A function stays an object of JavaScript, and an object of JavaScript stays itself."""
    assert isinstance(to_py(js.fetch), JsProxy)
    headers = js.Headers.new()
    assert getattr(js.Object, "is")(to_js(headers), headers)


async def case_the_sdks_wrapper_is_taken_off(raw_db: Any) -> None:
    """A binding is the runtime's own object, whether it came wrapped or not."""
    assert isinstance(unwrap(raw_db), JsProxy)


async def case_no_threads() -> None:
    """A thread cannot start; a lock can be taken, and would never be given back by anybody else."""
    try:
        threading.Thread(target=print).start()
        started = True
    except RuntimeError:
        started = False
    assert not started


async def case_asyncio_lock_works() -> None:
    """asyncio.Lock holds in one isolate: the second task waits for the first."""
    lock, order = asyncio.Lock(), []

    async def work(name: str) -> None:
        async with lock:
            order.append(name + "+")
            await asyncio.sleep(0.01)
            order.append(name + "-")

    await asyncio.gather(work("a"), work("b"))
    assert order == ["a+", "a-", "b+", "b-"]


async def case_get_over_the_runtimes_fetch(values: dict[str, str]) -> None:
    """httpx over fetch gives status, headers, several cookies and the decoded body."""
    answer = await http.get(values["URL"] + "/echo", params={"q": "é &"}, headers={"x-one": "1"})
    assert answer.status_code == 200
    assert answer.json()["path"] == "/echo?q=%C3%A9+%26"
    assert answer.json()["headers"]["x-one"] == "1"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert (await http.get(values["URL"] + "/gzip")).text == "unpacked"


async def case_bodies_over_the_runtimes_fetch(values: dict[str, str]) -> None:
    """JSON, text beyond ASCII and every byte arrive as they were."""
    url = values["URL"] + "/echo"
    assert (await http.post(url, json={"é": [1, None]})).json()["body"] == '{"é":[1,null]}'.encode().hex()
    assert (await http.patch(url, content="é", headers={"content-type": "text/plain"})).json()["body"] == "c3a9"
    every = bytes(range(256))
    assert (await http.put(url, content=every)).json()["body"] == every.hex()


async def case_redirects_are_not_followed(values: dict[str, str]) -> None:
    """A redirect is the answer: where to go is the caller's to decide."""
    answer = await http.get(values["URL"] + "/redirect")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/echo"


async def case_retry_after_is_kept(values: dict[str, str]) -> None:
    """A 429 is tried again after its Retry-After, a POST too; the third try is the last."""
    start = time.perf_counter()
    answer = await http.post(values["URL"] + "/limited?times=1", json={})
    assert answer.status_code == 200
    assert time.perf_counter() - start >= 0.3
    assert (await http.post(values["URL"] + "/limited?times=9", json={}, retries=1)).status_code == 429


async def case_hanging_and_refusing_servers_are_errors(values: dict[str, str]) -> None:
    """No answer in time is ReadTimeout, no server is ConnectError, both soon."""
    for url, kind in ((values["URL"] + "/hang", httpx.ReadTimeout), ("http://127.0.0.1:9", httpx.ConnectError)):
        try:
            await http.get(url, timeout=0.5, retries=0)
            found: object = None
        except httpx.TransportError as error:
            found = type(error)
        assert found is kind, found


async def case_ai_answers_and_streams(values: dict[str, str]) -> None:
    """A model's answer is Python values, its stream is text, and its refusal is ModelError."""
    binding = js.eval(
        """((url) => ({
            async run(model, inputs) {
                const response = await fetch(`${url}/run/${model}`, {method: "POST", body: JSON.stringify(inputs)});
                if (!response.ok) throw new Error(await response.text());
                return inputs.stream ? response.body : response.json();
            }
        }))"""
    )(values["URL"])
    model = Model(binding)
    assert await model.run("@cf/m", {"prompt": "p", "options": {"none": None}}) == {"response": "one é three", "usage": None}
    assert [piece async for piece in await model.stream("@cf/m", {"prompt": "p"})] == ["one ", "é ", "three"]
    try:
        await model.run("refuse", {})
        text = ""
    except ModelError as error:
        text = str(error)
    assert text == "refuse: no such model"


async def case_services_are_called(values: dict[str, str]) -> None:
    """A service binding gets method, path, headers and body."""
    binding = js.eval("(url) => ({fetch: (to, init) => fetch(new URL(new URL(to).pathname, url), init)})")(values["URL"])
    answer = await Service(binding).request("POST", "/echo", json={"a": 1}, headers={"x-key": "k"})
    assert answer.json()["body"] == b'{"a":1}'.hex()
    assert answer.json()["headers"]["x-key"] == "k"
