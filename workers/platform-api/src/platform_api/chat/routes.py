"""POST /api/v1/chat."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from platform_api.audit import Action, write_audit
from platform_api.chat.answers import NOTHING_FOUND, Answer, Chat, events_of, one_piece, search
from platform_api.dependencies import DatabaseNeeded, RequestId, SettingsNeeded
from platform_api.limits import Limit, limited
from platform_api.problems import documented

EVENTS = "text/event-stream"
EXAMPLE = (
    'event: sources\ndata: [{"type": "events", "slug": "demo-day", "title": "Demo Day"}]\n\n'
    'event: text\ndata: {"text": "On Friday."}\n\nevent: done\ndata: {}\n\n'
)
# Of one event: that is what a schema of this media type describes.
EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["sources", "text", "done", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; as server-sent events `sources`, `text` …, and `done` or `error` where `stream` is true",
        "content": {EVENTS: {"schema": EVENT, "example": EXAMPLE}},
    }
}

router = APIRouter(tags=["chat"], dependencies=[Depends(limited(Limit.CHAT))])


class Question(BaseModel):
    """What somebody wants to know."""

    # Strict, since the document promises JSON's own types: 1 is not true.
    model_config = ConfigDict(extra="forbid", strict=True)

    question: Annotated[str, Field(min_length=3, max_length=500, examples=["When is demo day?"])]
    stream: bool = Field(default=False, description="Whether the answer comes piece by piece")


@router.post("/chat", response_model=Answer, responses=STREAMED | documented(400, 413, 502, 503, 504), summary="Ask a question")
async def ask(
    asked: Question, settings: SettingsNeeded, database: DatabaseNeeded, request_id: RequestId
) -> Answer | StreamingResponse:
    """Answer a question from published content; where there is none about it, no model is asked."""
    chat = Chat.of(settings)
    found = await search(settings, asked.question)
    sources = [document.source for document in found]
    if asked.stream:
        pieces = await chat.stream(asked.question, found) if found else one_piece(NOTHING_FOUND)
        await write_audit(database, Action.CHAT_ANSWERED, settings.chat_model, "ok" if found else "nothing_found", request_id)
        return StreamingResponse(
            events_of(sources, pieces), media_type=EVENTS, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
    text = await chat.answer(asked.question, found) if found else NOTHING_FOUND
    await write_audit(database, Action.CHAT_ANSWERED, settings.chat_model, "ok" if found else "nothing_found", request_id)
    return Answer(answer=text, answered=bool(found), sources=sources)
