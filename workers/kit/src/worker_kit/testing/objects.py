"""JavaScript's objects as a stand-in gives them: opaque until converted."""

from typing import Any


class JsObject:
    """A plain object of JavaScript. As in the runtime, `dict()` of it is a TypeError and attributes are its keys."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def to_py(self) -> dict[str, Any]:
        """Return the dict."""
        return {key: _converted(item) for key, item in self._value.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._value[name]
        except KeyError:
            raise AttributeError(name) from None


class JsArray:
    """An Array of JavaScript."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def to_py(self) -> list[Any]:
        """Return the list."""
        return [_converted(item) for item in self._items]

    def __getitem__(self, index: int) -> Any:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)


def _converted(value: Any) -> Any:
    return value.to_py() if isinstance(value, (JsObject, JsArray)) else value
