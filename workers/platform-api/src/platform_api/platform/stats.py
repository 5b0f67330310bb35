"""Figures of the platform, counted in D1."""

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field
from worker_kit.d1 import Database

from platform_api.audit import Action
from platform_api.forms.models import FormName

SUBMISSIONS = "SELECT form, count(*) AS total, count(*) - count(handed_over_at) AS waiting FROM submissions GROUP BY form"
ACTIONS = (
    "SELECT action, count(*) AS total, sum(at >= ?) AS last_day, sum(outcome <> 'ok') AS not_ok FROM audit GROUP BY action"
)


class SubmissionFigures(BaseModel):
    """How often a form was sent."""

    total: int
    waiting: int = Field(description="Submissions that Sanity does not have yet")


class ActionFigures(BaseModel):
    """How often something was done."""

    total: int
    last_day: int = Field(description="Within the last 24 hours")
    not_ok: int = Field(description="How many ended otherwise than ok")


class Stats(BaseModel):
    """Figures of the platform."""

    submissions: dict[FormName, SubmissionFigures]
    actions: dict[Action, ActionFigures]
    at: datetime = Field(description="When it was counted, in UTC")


async def read_stats(database: Database) -> Stats:
    """Count everything in one transaction; what never happened is there with zeros."""
    now = datetime.now(UTC)
    submissions, actions = await database.batch([(SUBMISSIONS, ()), (ACTIONS, ((now - timedelta(days=1)).isoformat(),))])
    return Stats(
        submissions={form: SubmissionFigures(total=0, waiting=0) for form in FormName}
        | {FormName(row["form"]): SubmissionFigures.model_validate(row) for row in submissions},
        actions={action: ActionFigures(total=0, last_day=0, not_ok=0) for action in Action}
        | {Action(row["action"]): ActionFigures.model_validate(row) for row in actions},
        at=now,
    )
