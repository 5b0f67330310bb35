"""What becomes of each stored response of an archive: taken, already there, kept as it is, or a conflict for people."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.signing import Signer
from drydock_cache.digest import Digest
from drydock_cache.index import StoredResponse, Transaction

_SHOWN = 5


class OnConflict(StrEnum):
    """What to do with an asset whose bytes differ from those in the store, where no lock decides."""

    REFUSE = "refuse"
    KEEP = "keep"
    REPLACE = "replace"


class Fate(StrEnum):
    """What becomes of one stored response of an archive."""

    NEW = "new"
    REPLACED = "replaced"
    SAME = "same"
    KEPT = "kept"
    CONFLICT = "conflict"


@dataclass
class Adoption:
    """How many responses met which fate, and the sentences on conflicts."""

    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    conflicts: list[str] = field(default_factory=list)

    def note(self, fate: Fate, incoming: StoredResponse, present: StoredResponse | None, expected: Digest | None) -> None:
        """Count a fate, and describe a conflict."""
        self.fates[fate] += 1
        if fate is Fate.CONFLICT:
            if expected is not None and expected != incoming.blob.digest:
                known = f"the lock names {expected}"
            else:
                known = f"the store has {present.blob.digest if present else None}"
            self.conflicts.append(f"{incoming.key.url}: the archive has {incoming.blob.digest}, {known}")


def decide(incoming: StoredResponse, present: StoredResponse | None, expected: Digest | None, choice: OnConflict) -> Fate:
    """Say what becomes of a response from an archive.

    `expected` is what the lock that the store follows names for the URL: it decides alone, and an archive never goes against it.
    Index pages are mutable: the newer one wins. An asset that has other bytes than in the store is what `choice` says.
    """
    if incoming.status == 200 and expected is not None and incoming.blob.digest != expected:
        return Fate.KEPT if choice is OnConflict.KEEP else Fate.CONFLICT
    if present is None:
        return Fate.NEW
    if incoming.vary or present.vary:
        if incoming.response_time > present.response_time:
            return Fate.REPLACED
        return Fate.SAME if incoming.blob == present.blob else Fate.KEPT
    if incoming.blob == present.blob:
        return Fate.SAME
    if choice is OnConflict.REPLACE or incoming.blob.digest == expected:
        return Fate.REPLACED
    return Fate.KEPT if choice is OnConflict.KEEP else Fate.CONFLICT


def adopt(
    transaction: Transaction, responses: Iterable[StoredResponse], choice: OnConflict, now: float, *, write: bool
) -> Adoption:
    """Decide on all responses and, with `write`, put those that are taken into the index, as used `now`.

    Raise ArchiveError for conflicts, unless they are only to be looked at.
    """
    adoption = Adoption()
    for incoming in responses:
        present = transaction.get(incoming.key)
        expected = transaction.expected(incoming.key.url)
        fate = decide(incoming, present, expected, choice)
        adoption.note(fate, incoming, present, expected)
        if write and fate in (Fate.NEW, Fate.REPLACED):
            transaction.put(replace(incoming, last_used=now))
    return adoption


def refuse_conflicts(adoption: Adoption) -> None:
    """Raise ArchiveError when there are conflicts."""
    if conflicts := adoption.conflicts:
        more = f"; and {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
        raise ArchiveError(
            f"The archive is not imported: {'; '.join(conflicts[:_SHOWN])}{more}.",
            "Find out which is right, and lock it with drydock lock; or choose --on-conflict keep, or --on-conflict replace where"
            " no lock names other bytes.",
        )


def last_import(run: Callable[[str, Sequence[object]], list[tuple[Any, ...]]], signer: Signer) -> float | None:
    """Return how new the last imported archive of that signer was (seconds since 1970), or None; `run` runs a statement."""
    rows = run("SELECT as_of FROM imported WHERE signer = ?", (str(signer),))
    return float(rows[0][0]) if rows else None


def note_import(transaction: Transaction, signer: Signer, as_of: float) -> None:
    """Remember how new the archive of that signer was."""
    if last_import(transaction.run, signer) != as_of:
        transaction.run("INSERT OR REPLACE INTO imported (signer, as_of) VALUES (?, ?)", (str(signer), as_of))
