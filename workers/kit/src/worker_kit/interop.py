"""Values across the border: Python to JavaScript and back."""

from typing import Any

from worker_kit.javascript import IN_RUNTIME, NULL, from_python, is_proxy

BINARY = {"ArrayBuffer", "Uint8Array", "Uint8ClampedArray", "Int8Array", "DataView"}
"""JavaScript types that are bytes in Python; others of their kind carry numbers."""
LARGEST_INTEGER = 2**53 - 1
"""The largest that a Number of JavaScript holds exactly; beyond it Python's integers become BigInts."""


def to_js(value: Any) -> Any:
    """Return `value` as JavaScript has it.

    dict -> plain object, at every depth; list and tuple -> Array; bytes -> Uint8Array (a copy); None -> null; str, int, float
    and bool -> their own kind; an object of JavaScript stays itself. In CPython the value is returned as it is.
    """
    if not IN_RUNTIME:
        return value
    return from_python(_without_none(value))  # pragma: no cover - measured by the tests in Pyodide


def is_missing(value: object) -> bool:
    """Tell whether `value` is None, null or undefined, without converting it."""
    return value is None or value is NULL


def null_for_none(value: Any) -> Any:
    """Return JavaScript's null for None, and any other value as `to_js` does; a stand-in can tell the two apart in CPython too."""
    return NULL if value is None else to_js(value)


def to_py(value: Any) -> Any:
    """Return `value` as Python has it.

    null and undefined -> None, at every depth; plain objects and Maps -> dict; Array -> list; ArrayBuffer and typed arrays of
    bytes -> bytes. What has no counterpart (a function, a stream) stays an object of JavaScript.
    """
    if is_missing(value):
        return None
    if is_proxy(value):
        kind = getattr(getattr(value, "constructor", None), "name", "")
        if kind in BINARY:
            return value.to_bytes()
        value = value.to_py()
    return _plain(value)


def _number(value: int) -> int | float:
    """Return the largest integers of JavaScript as reals, which become the same number: as integers Pyodide makes BigInts of them."""
    return float(value) if abs(value) == LARGEST_INTEGER and type(value) is int else value


def _plain(value: Any) -> Any:
    if value is NULL:
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    return value


def _without_none(value: Any) -> Any:
    if value is None:
        return NULL
    if isinstance(value, int):
        return _number(value)
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    return value
