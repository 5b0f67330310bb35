"""The names that only the Workers runtime has, with what stands for them in CPython."""

import sys
from collections.abc import Callable
from typing import Any

IN_RUNTIME = sys.platform == "emscripten"
"""Whether this Python is Pyodide."""

if sys.platform == "emscripten":  # pragma: no cover - measured by the tests in Pyodide
    import js
    from pyodide.ffi import JsException, JsProxy, jsnull
    from pyodide.ffi import to_js as convert

    NULL: Any = jsnull
    """JavaScript's null. Python's None would arrive there as undefined, which D1 refuses."""
    JsError = JsException
    """What a rejected promise or a throw of JavaScript is in Python."""

    def is_proxy(value: object) -> bool:
        """Tell whether `value` is an object of JavaScript."""
        return isinstance(value, JsProxy)

    def from_python(value: Any) -> Any:
        """Make real JavaScript values of dicts, lists and bytes; `value` holds no None any more."""
        return convert(value, dict_converter=js.Object.fromEntries)

    def unwrap(binding: Any) -> Any:
        """Take the SDK's wrapper off a binding, so that values cross once, by this package's rules."""
        if isinstance(binding, JsProxy) or not type(binding).__module__.startswith("workers."):
            return binding
        from workers import python_to_rpc

        return python_to_rpc(binding)

    def runtime_fetch() -> Callable[..., Any] | None:
        """Return the runtime's own fetch."""
        return js.fetch  # type: ignore[no-any-return]

    def abort() -> tuple[Any, Callable[[], None]]:
        """Return a signal for fetch, and the call that ends it."""
        controller = js.AbortController.new()
        return controller.signal, controller.abort

else:

    class Null:
        """What stands for JavaScript's null, so that a stand-in can tell it from undefined."""

        def __bool__(self) -> bool:
            return False

        def __repr__(self) -> str:
            return "jsnull"

    NULL: Any = Null()

    class JsError(Exception):
        """What stands for an error of JavaScript."""

        name = "Error"

        @property
        def message(self) -> str:
            """The sentence, as JavaScript has it."""
            return str(self)

    def is_proxy(value: object) -> bool:
        """Tell whether `value` is a stand-in for an object of JavaScript."""
        return callable(getattr(value, "to_py", None))

    def from_python(value: Any) -> Any:
        """Return `value`: CPython has no other side."""
        return value

    def unwrap(binding: Any) -> Any:
        """Return `binding`: CPython has no wrappers."""
        return binding

    def runtime_fetch() -> Callable[..., Any] | None:
        """Return None: CPython has sockets."""
        return None

    def abort() -> tuple[Any, Callable[[], None]]:
        """Return no signal, and a call that does nothing."""
        return None, lambda: None
