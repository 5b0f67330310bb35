"""Workers AI with Python values: one call for an answer, one for a stream of text."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from worker_kit.errors import MissingSetting, ModelError
from worker_kit.interop import is_missing, to_js, to_py
from worker_kit.javascript import JsError, unwrap

__all__ = ["Model", "ModelError"]

END = "[DONE]"
"""The last event of a stream."""


class Model:
    """A Workers AI binding; a `Model` given to `Model` is taken as it is."""

    def __init__(self, binding: Any) -> None:
        """Take the binding of `env`; raise MissingSetting where there is none."""
        if isinstance(binding, Model):
            binding = binding.binding
        if is_missing(binding):
            raise MissingSetting("the AI binding is missing: declare it under ai in wrangler.jsonc")
        self.binding: Any = unwrap(binding)

    async def run(self, model: str, inputs: Mapping[str, Any]) -> Any:
        """Return the model's answer as Python values; raise ModelError where it refuses."""
        return to_py(await self._call(model, dict(inputs)))

    async def stream(self, model: str, inputs: Mapping[str, Any]) -> AsyncIterator[str]:
        """Return the answer's pieces of text as they come; a refusal is raised here, before the first piece."""
        return _pieces(await self._call(model, {**inputs, "stream": True}))

    async def _call(self, model: str, inputs: dict[str, Any]) -> Any:
        try:
            return await self.binding.run(model, to_js(inputs))
        except JsError as error:
            raise ModelError(f"{model}: {error.message}") from error


async def _pieces(stream: Any) -> AsyncIterator[str]:
    """Read server-sent events; an event may be cut anywhere, even within a character."""
    pending = b""
    try:
        async for chunk in stream:
            pending += _bytes(chunk)
            *lines, pending = pending.split(b"\n")
            for line in lines:
                piece = _piece(line)
                if piece is None:
                    return
                if piece:
                    yield piece
    except JsError as error:
        raise ModelError(f"the stream broke: {error.message}") from error
    last = _piece(pending)
    if last:
        yield last


def _bytes(chunk: Any) -> bytes:
    return chunk if isinstance(chunk, bytes) else bytes(to_py(chunk))


def _piece(line: bytes) -> str | None:
    """Return the text of one line, empty where it carries none, and None at the end of the answer."""
    text = line.decode().strip()
    if not text.startswith("data:"):
        return ""
    data = text.removeprefix("data:").strip()
    if data == END:
        return None
    try:
        return str(json.loads(data).get("response") or "")
    except (ValueError, AttributeError) as error:
        raise ModelError(f"the stream holds an event that is no answer: {data[:80]}") from error
