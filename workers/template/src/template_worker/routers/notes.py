"""Notes in D1, newest first and in pages."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from worker_kit.faults import RefusedError, documented
from worker_kit.interop import LARGEST_INTEGER

from template_worker.dependencies import DatabaseNeeded, KeyNeeded, Now

router = APIRouter(prefix="/notes", tags=["notes"], responses=documented(422, 503))
# JavaScript counts no further exactly.
Id = Annotated[int, Path(ge=1, le=LARGEST_INTEGER)]


class NewNote(BaseModel):
    """A note to write down."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    author: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class Note(NewNote):
    """A note."""

    id: int
    created_at: int
    """Seconds since 1970."""


class NotePage(BaseModel):
    """Some of all notes."""

    items: list[Note]
    total: int


@router.get("")
async def list_notes(
    db: DatabaseNeeded,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> NotePage:
    """Return `limit` notes after the first `offset`, newest first."""
    # A batch is one transaction: the number fits the page.
    counted, rows = await db.batch(
        [
            ("SELECT count(*) AS total FROM notes", ()),
            ("SELECT id, text, author, created_at FROM notes ORDER BY id DESC LIMIT ? OFFSET ?", (limit, offset)),
        ]
    )
    return NotePage(items=[Note(**row) for row in rows], total=counted[0]["total"])


@router.post("", status_code=201, dependencies=[KeyNeeded], responses=documented(401))
async def add_note(note: NewNote, db: DatabaseNeeded, now: Now) -> Note:
    """Write a note down and return it with its id."""
    sql = "INSERT INTO notes (text, author, created_at) VALUES (?, ?, ?) RETURNING id, text, author, created_at"
    row = await db.first(sql, note.text, note.author, int(now.timestamp()))
    return Note.model_validate(row)


@router.get("/{id}", responses=documented(404))
async def read_note(id: Id, db: DatabaseNeeded) -> Note:
    """Return one note."""
    row = await db.first("SELECT id, text, author, created_at FROM notes WHERE id = ?", id)
    if row is None:
        raise RefusedError(404, "not_found", f"There is no note {id}.")
    return Note(**row)


@router.delete("/{id}", status_code=204, dependencies=[KeyNeeded], responses=documented(401, 404))
async def remove_note(id: Id, db: DatabaseNeeded) -> None:
    """Remove one note."""
    if (await db.run("DELETE FROM notes WHERE id = ?", id)).changes == 0:
        raise RefusedError(404, "not_found", f"There is no note {id}.")
