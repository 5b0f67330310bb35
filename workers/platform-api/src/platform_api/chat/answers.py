"""Find content for a question and have Workers AI answer from it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from worker_kit.ai import Model, ModelError

from platform_api.chat.prompt import SEARCH, Found, Source, inputs_of, parameters_of, terms_of
from platform_api.problems import ApiError
from platform_api.sanity import Sanity, SanityError
from platform_api.settings import Settings

NOTHING_FOUND = "I do not know: there is no content about that."
FOUND = TypeAdapter(list[Found])
logger = logging.getLogger(__name__)


class Answer(BaseModel):
    """An answer and what it rests on."""

    answer: str
    answered: bool = Field(description="false where there is no content about the question; no model was asked then")
    sources: list[Source]


async def search(settings: Settings, question: str) -> list[Found]:
    """Find the documents that have words of the question, best first."""
    terms = terms_of(question)
    if not terms:
        return []
    result = await Sanity.of(settings).query(SEARCH, parameters_of(terms))
    try:
        return FOUND.validate_python(result)
    except ValidationError as error:
        raise SanityError(502, "upstream_invalid", "Sanity answered with content of another form.") from error


def unavailable(error: Exception) -> ApiError:
    """Say that the model did not answer; its own words may quote the question, so they go to the log alone."""
    logger.warning("the model did not answer: %s", error)
    if isinstance(error, TimeoutError):
        return ApiError(504, "model_timeout", "The model took too long.")
    return ApiError(503, "model_unavailable", "The model does not answer now.", headers={"Retry-After": "30"})


@dataclass(frozen=True)
class Chat:
    """The model and how long it may take."""

    model: Model
    name: str
    timeout: float
    """Seconds for an answer, or for each piece of a streamed one."""

    @classmethod
    def of(cls, settings: Settings) -> "Chat":
        """Take the model that the settings name."""
        if settings.ai is None:
            raise ApiError(503, "not_configured", "The AI binding is missing: add ai to wrangler.jsonc.")
        return cls(settings.ai, settings.chat_model, settings.chat_timeout)

    async def answer(self, question: str, found: list[Found]) -> str:
        """Have the whole answer."""
        try:
            async with asyncio.timeout(self.timeout):
                answer = await self.model.run(self.name, inputs_of(question, found))
        except (ModelError, TimeoutError) as error:
            raise unavailable(error) from error
        text = answer.get("response") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise ApiError(502, "model_invalid", "The model answered without a text.")
        return text.strip()

    async def stream(self, question: str, found: list[Found]) -> AsyncIterator[str]:
        """Have the answer in pieces; a model that fails before the first one raises here, while a status can still say so."""
        try:
            async with asyncio.timeout(self.timeout):
                pieces = await self.model.stream(self.name, inputs_of(question, found))
                first = await anext(pieces, None)
        except (ModelError, TimeoutError) as error:
            raise unavailable(error) from error
        if first is None:
            raise ApiError(502, "model_invalid", "The model answered without a text.")
        return self._after(first, pieces)

    async def _after(self, first: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        """Go on after the first piece."""
        piece: str | None = first
        while piece is not None:
            yield piece
            try:
                async with asyncio.timeout(self.timeout):
                    piece = await anext(pieces, None)
            except (ModelError, TimeoutError) as error:
                raise unavailable(error) from error


def event(name: str, value: object) -> str:
    """Write one server-sent event; JSON has no line end that could close it early."""
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"


async def events_of(sources: list[Source], pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """Write an answer as events: the sources, each piece of text, and at the end `done` or `error`."""
    yield event("sources", [source.model_dump(mode="json") for source in sources])
    try:
        async for piece in pieces:
            yield event("text", {"text": piece})
    except ApiError as error:
        # The status is sent: only an event can still say that the answer is cut short.
        yield event("error", {"code": error.code, "detail": error.detail})
        return
    yield event("done", {})


async def one_piece(text: str) -> AsyncIterator[str]:
    """Give a text that is there already as a stream."""
    yield text
