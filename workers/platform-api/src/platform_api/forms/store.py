"""Submissions in D1: each key once, whatever is sent at the same time."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker_kit.d1 import Database

from platform_api.forms.models import FormFields, FormName

INSERT = (
    "INSERT INTO submissions (id, form, idempotency_key, fingerprint, fields, received_at) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (form, idempotency_key) DO NOTHING"
)
COLUMNS = "id, form, fingerprint, fields, received_at, handed_over_at, attempts"
BY_KEY = f"SELECT {COLUMNS} FROM submissions WHERE form = ? AND idempotency_key = ?"  # noqa: S608 # constants alone
# Those tried least come first, so that one that Sanity never takes does not hold up the others.
WAITING = f"SELECT {COLUMNS} FROM submissions WHERE handed_over_at IS NULL ORDER BY attempts, received_at LIMIT ?"  # noqa: S608
HANDED_OVER = "UPDATE submissions SET handed_over_at = ?, attempts = attempts + 1 WHERE id = ?"
ATTEMPTED = "UPDATE submissions SET attempts = attempts + 1 WHERE id = ?"


@dataclass(frozen=True)
class Submission:
    """One form that somebody sent, as D1 has it."""

    id: str
    form: FormName
    fingerprint: str
    fields: dict[str, Any]
    received_at: datetime
    is_handed_over: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Submission":
        """Read a row."""
        return cls(
            row["id"],
            FormName(row["form"]),
            row["fingerprint"],
            json.loads(row["fields"]),
            datetime.fromisoformat(row["received_at"]),
            row["handed_over_at"] is not None,
        )


def fingerprint_of(fields: FormFields) -> str:
    """Digest what was sent, however it was written."""
    return hashlib.sha256(json.dumps(fields.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


async def keep(database: Database, form: FormName, key: str, fields: FormFields) -> tuple[Submission, bool]:
    """Keep a submission; return the one that D1 has under that key, and whether it is this one.

    Read back and not made up: another request with the same key may have been faster, and its id is the one that counts.
    """
    now = datetime.now(UTC)
    inserted = await database.run(
        INSERT, str(uuid.uuid4()), form.value, key, fingerprint_of(fields), fields.model_dump_json(), now.isoformat()
    )
    row = await database.first(BY_KEY, form.value, key)
    assert row is not None
    return Submission.of(row), inserted.changes > 0


async def read_waiting(database: Database, limit: int) -> list[Submission]:
    """Read submissions that Sanity does not have yet."""
    return [Submission.of(row) for row in await database.all(WAITING, limit)]


async def note_attempt(database: Database, submission: Submission, *, handed_over: bool) -> None:
    """Write down that Sanity was offered a submission, and whether it took it."""
    if handed_over:
        await database.run(HANDED_OVER, datetime.now(UTC).isoformat(), submission.id)
    else:
        await database.run(ATTEMPTED, submission.id)
