"""The audit log in D1: what was done, to what, and how it ended; never what a person wrote."""

import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field
from worker_kit.d1 import Database, DatabaseError

from platform_api.pages import Page, PageQuery

INSERT = "INSERT INTO audit (at, action, subject, outcome, request_id) VALUES (?, ?, ?, ?, ?)"
# Both run with the same parameters; ?1 IS NULL is "any action".
LIST = (
    "SELECT id, at, action, subject, outcome, request_id FROM audit"
    " WHERE (?1 IS NULL OR action = ?1) ORDER BY id DESC LIMIT ?2 OFFSET ?3"
)
COUNT = "SELECT count(*) AS total FROM audit WHERE (?1 IS NULL OR action = ?1)"
logger = logging.getLogger(__name__)


class Action(StrEnum):
    """What is written down."""

    FORM_SENT = "form_sent"
    FORM_HANDED_OVER = "form_handed_over"
    CHAT_ANSWERED = "chat_answered"
    NOTIFICATION_SENT = "notification_sent"


class AuditEntry(BaseModel):
    """One line of the audit log."""

    id: int
    at: datetime = Field(description="When, in UTC")
    action: Action
    subject: str = Field(description="What it was done to: a form, a kind of notification, a model")
    outcome: str = Field(description="ok, or the code of the problem", examples=["ok"])
    request_id: str


class AuditQuery(PageQuery):
    """Which lines of the audit log are asked for."""

    action: Action | None = Field(default=None, description="Only this action")


class AuditPage(Page[AuditEntry]):
    """One page of the audit log."""


async def write_audit(database: Database, action: Action, subject: str, outcome: str, request_id: str) -> None:
    """Add one line; a database that is away must not undo what was done, so that is only logged."""
    try:
        await database.run(INSERT, datetime.now(UTC).isoformat(), action.value, subject, outcome, request_id)
    except DatabaseError as error:
        logger.warning("request %s: %s of %s is missing in the audit log: %s", request_id, action, subject, error)


async def read_audit(database: Database, query: AuditQuery) -> AuditPage:
    """Read one page of lines, newest first."""
    wanted = query.action.value if query.action else None
    counted = await database.first(COUNT, wanted)
    rows: list[dict[str, Any]] = await database.all(LIST, wanted, query.page_size, query.start)
    entries = [AuditEntry.model_validate(row) for row in rows]
    return AuditPage.of(entries, query, int(counted["total"]) if counted else 0)
