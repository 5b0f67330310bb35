"""What a KV namespace does, said once: run against the stand-in in CPython, and against the real one in Pyodide."""

from typing import Any

from raising import raised
from worker_kit.interop import is_missing, to_js
from worker_kit.javascript import JsError
from worker_kit.kv import Namespace, NamespaceError


async def case_missing_key_is_none(kv: Namespace) -> None:
    """A key that is not there is None in each form."""
    assert await kv.get_text("missing") is None
    assert await kv.get_json("missing") is None
    assert await kv.get_bytes("missing") is None


async def case_missing_key_is_null_beneath(raw_kv: Any) -> None:
    """The binding itself answers JavaScript's null, or None through the SDK's wrapper."""
    assert is_missing(await raw_kv.get("missing"))


async def case_text_returns_as_it_was(kv: Namespace) -> None:
    """Text comes back the same, beyond ASCII and empty too."""
    for text in ("plain", "é 日本 🚀", "", "line\r\nline\0end"):
        await kv.put("text", text)
        assert await kv.get_text("text") == text


async def case_json_returns_as_it_was(kv: Namespace) -> None:
    """JSON comes back with its nesting, its null and its numbers."""
    value = {"a": [1, 2.5, None, {"b": True}], "é": "x", "empty": {}}
    await kv.put("json", value)
    assert await kv.get_json("json") == value
    await kv.put("list", [1, None])
    assert await kv.get_json("list") == [1, None]
    await kv.put("null", None)
    assert await kv.get_json("null") is None
    assert await kv.get_text("null") == "null"


async def case_bytes_return_as_they_were(kv: Namespace) -> None:
    """All 256 bytes come back, as bytes."""
    value = bytes(range(256))
    await kv.put("bytes", value)
    found = await kv.get_bytes("bytes")
    assert found == value
    assert type(found) is bytes
    await kv.put("bytes", b"")
    assert await kv.get_bytes("bytes") == b""


async def case_bytes_that_are_no_text(kv: Namespace) -> None:
    """Bytes that are no UTF-8 read as text have replacement characters, and no error."""
    await kv.put("bytes", b"a\xffb")
    assert await kv.get_text("bytes") == "a�b"


async def case_text_read_as_bytes_is_utf8(kv: Namespace) -> None:
    """Text read as bytes is its UTF-8."""
    await kv.put("text", "é")
    assert await kv.get_bytes("text") == b"\xc3\xa9"


async def case_wrong_json_is_told(kv: Namespace) -> None:
    """A value that is no JSON is an error that names the key."""
    await kv.put("text", "{")
    assert "'text'" in await raised(NamespaceError, kv.get_json("text"))


async def case_put_replaces(kv: Namespace) -> None:
    """A second put wins."""
    await kv.put("key", "one")
    await kv.put("key", "two")
    assert await kv.get_text("key") == "two"


async def case_ttl_of_a_minute_is_taken(kv: Namespace) -> None:
    """A value with the shortest time to live can be read."""
    await kv.put("key", "value", ttl=60)
    assert await kv.get_text("key") == "value"
    assert await kv.keys() == ["key"]


async def case_shorter_ttl_is_refused_by_the_kit(kv: Namespace) -> None:
    """Less than a minute is a ValueError before anything is written."""
    assert "60 seconds" in await raised(ValueError, kv.put("key", "value", ttl=59))
    assert await kv.get_text("key") is None


async def case_shorter_ttl_is_refused_beneath(raw_kv: Any) -> None:
    """The binding itself refuses it too, with this sentence."""
    text = await raised(JsError, raw_kv.put("key", "value", to_js({"expirationTtl": 59})))
    assert "400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60." in text


async def case_delete_removes(kv: Namespace) -> None:
    """A deleted key is gone; deleting it again is no error."""
    await kv.put("key", "value")
    await kv.delete("key")
    await kv.delete("key")
    assert await kv.get_text("key") is None


async def case_keys_by_prefix_in_order(kv: Namespace) -> None:
    """Keys come in the order of their bytes, and only those with the prefix."""
    for name in ("p:b", "q:x", "p:a", "p:é", "p:Z", "p:a:1"):
        await kv.put(name, "")
    assert await kv.keys("p:") == ["p:Z", "p:a", "p:a:1", "p:b", "p:é"]
    assert await kv.keys("none") == []
    assert len(await kv.keys()) == 6


async def case_keys_over_pages(kv: Namespace) -> None:
    """Keys of several pages come each once, also where the last page is full."""
    names = [f"k{number}" for number in range(6)]
    for name in names:
        await kv.put(name, "")
    assert await kv.keys("k", page_size=2) == names
    assert await kv.keys("k", page_size=4) == names


async def case_impossible_keys_are_refused(kv: Namespace) -> None:
    """Empty, dots and more than 512 bytes are errors of the namespace, on each call."""
    for key, sentence in (("", "Key name cannot be empty."), (".", "is not allowed as a key name"), ("é" * 257, "512")):
        assert sentence in await raised(NamespaceError, kv.get_text(key))
        assert sentence in await raised(NamespaceError, kv.put(key, "value"))
        assert sentence in await raised(NamespaceError, kv.delete(key))


async def case_longest_key_is_taken(kv: Namespace) -> None:
    """A key of exactly 512 bytes is taken."""
    await kv.put("é" * 256, "value")
    assert await kv.get_text("é" * 256) == "value"


async def case_object_as_value_is_refused_beneath(raw_kv: Any) -> None:
    """The binding takes no object as a value: JSON has to be written by the caller."""
    text = await raised(JsError, raw_kv.put("key", to_js({"a": 1})))
    assert "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values." in text
