"""A finding: what one look at the world concluded, from which evidence, and the command that mends it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; only the last two are findings by which `drydock doctor` ends with 1."""

    OK = "ok"
    SKIPPED = "skipped"
    WARN = "warn"
    FAIL = "fail"


RANK = {severity: rank for rank, severity in enumerate((Severity.FAIL, Severity.WARN, Severity.SKIPPED, Severity.OK))}


class Place(StrEnum):
    """Where was looked from."""

    HOST = "host"
    PROXY = "proxy"
    WORKER = "worker"


@dataclass(frozen=True)
class Finding:
    """One conclusion. `check` is a stable id, area.case; `subjects` are the hosts, files or programs that it is about.

    `what` is a sentence that holds for every subject, `evidence` what was seen, `mend` a command or an edit, empty where
    nothing is wrong.
    """

    check: str
    severity: Severity
    subjects: tuple[str, ...]
    what: str
    evidence: str = ""
    mend: str = ""
    place: Place = Place.PROXY

    @property
    def area(self) -> str:
        """What kind of thing was looked at: the part of `check` before the dot."""
        return self.check.partition(".")[0]


def ok(check: str, subject: str, what: str, evidence: str = "") -> Finding:
    """Return the finding that something is as it should be."""
    return Finding(check, Severity.OK, (subject,), what, evidence)


def warn(check: str, subject: str, what: str, evidence: str, mend: str) -> Finding:
    """Return the finding that something may fail, or fails for a part."""
    return Finding(check, Severity.WARN, (subject,), what, evidence, mend)


def fail(check: str, subject: str, what: str, evidence: str, mend: str) -> Finding:
    """Return the finding that something does not work."""
    return Finding(check, Severity.FAIL, (subject,), what, evidence, mend)


def skipped(check: str, subject: str, why: str) -> Finding:
    """Return the finding that something was not looked at, and why."""
    return Finding(check, Severity.SKIPPED, (subject,), why)


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Say once what holds for several subjects, the worst first; the evidence that stays is the first one's."""
    merged: dict[tuple[str, ...], Finding] = {}
    for found in findings:
        key = (found.check, found.severity, found.what, found.mend, found.place)
        before = merged.get(key)
        new = tuple(subject for subject in found.subjects if before is None or subject not in before.subjects)
        merged[key] = found if before is None else replace(before, subjects=before.subjects + new)
    return sorted(merged.values(), key=lambda found: RANK[found.severity])
