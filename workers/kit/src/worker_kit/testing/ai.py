"""A stand-in for a Workers AI binding: it answers what a test tells it to, and remembers what it was asked."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from worker_kit.javascript import JsError
from worker_kit.testing.objects import JsObject

type Answer = str | Mapping[str, Any] | Callable[[str, Mapping[str, Any]], str | Mapping[str, Any]]


class FakeAI:
    """Use it as `env.AI`; a text becomes `{"response": text}`, and a stream of its words when that is asked for."""

    def __init__(self, answer: Answer = "an answer", *, broken: str | None = None) -> None:
        """Answer with `answer`, or with what it returns for the model and the inputs; `broken` refuses every call."""
        self.answer = answer
        self.broken = broken
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def run(self, model: str, inputs: Mapping[str, Any], options: Any = None) -> Any:  # noqa: ARG002 - the binding takes them
        """Answer, or stream the answer."""
        self.calls.append((model, dict(inputs)))
        if self.broken is not None:
            raise JsError(self.broken)
        found = self.answer(model, inputs) if callable(self.answer) else self.answer
        answer = {"response": found} if isinstance(found, str) else dict(found)
        return _events(str(answer.get("response", ""))) if inputs.get("stream") else JsObject(answer)


async def _events(text: str) -> AsyncIterator[bytes]:
    for word in text.split(" "):
        yield b"data: " + json.dumps({"response": word + " "}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"
