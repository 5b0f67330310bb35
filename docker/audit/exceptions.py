"""Reads the findings that are accepted for now: each with a reason, and a date after which it counts again."""

import tomllib
from datetime import date
from pathlib import Path
from typing import NamedTuple


class Accepted(NamedTuple):
    """An advisory that is accepted for one package until the end of a day."""

    id: str
    package: str
    reason: str
    until: date


def load(file: Path) -> list[Accepted]:
    """Read the file; raise ValueError, naming the entry, for one without a reason or a date."""
    entries = tomllib.loads(file.read_text()).get("accepted", [])
    accepted = []
    for number, entry in enumerate(entries, 1):
        wrong = [key for key in ("id", "package", "reason") if not isinstance(entry.get(key), str) or not entry[key].strip()]
        wrong += [] if type(entry.get("until")) is date else ["until"]
        wrong += sorted(entry.keys() - {"id", "package", "reason", "until"})
        if wrong:
            raise ValueError(
                f"{file}: entry {number} is not complete: expected id, package, reason and until (a date); look at {wrong}"
            )
        accepted.append(Accepted(**entry))
    return accepted
