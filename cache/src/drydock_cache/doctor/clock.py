"""Judges the clock by the Date of answers: certificates, freshness and logs all hang on it."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from statistics import median

from drydock_cache.doctor.finding import Finding, fail, ok, skipped, warn
from drydock_cache.doctor.seen import Answer

_NOTICED, _HARMFUL = 120.0, 3600.0
_MEND = "sudo timedatectl set-ntp true (in a virtual machine: restart it, or on Docker Desktop: restart Docker)"


def judge_clock(answers: Sequence[tuple[str, Answer]]) -> Finding:
    """Judge the local clock by answers (host, answer) that have a Date; several hosts outvote one that is wrong."""
    skews = [(host, skew) for host, answer in answers if (skew := _skew(answer)) is not None]
    if not skews:
        return skipped("clock.skew", "clock", "No answer from outside had a Date to compare the clock with.")
    skew = median(found for _, found in skews)
    host = min(skews, key=lambda pair: abs(pair[1] - skew))[0]
    direction = "ahead of" if skew > 0 else "behind"
    evidence = f"{_span(abs(skew))} {direction} {host}" + (f" and {len(skews) - 1} more" if len(skews) > 1 else "")
    if abs(skew) >= _HARMFUL:
        what = "The clock of this machine is wrong: certificates seem over or not valid yet, and pages stale or fresh wrongly."
        return fail("clock.skew", "clock", what, evidence, _MEND)
    if abs(skew) >= _NOTICED:
        return warn("clock.skew", "clock", "The clock of this machine is not right.", evidence, _MEND)
    return ok("clock.skew", "clock", "The clock is right.", evidence)


def _skew(answer: Answer) -> float | None:
    """Return by how many seconds the local clock was ahead; a cache on the way says in Age how old its answer is."""
    try:
        sent = parsedate_to_datetime(answer.header("date")).timestamp()
    except (ValueError, TypeError):
        return None
    age = answer.header("age")
    return answer.at - sent - (int(age) if age.isdigit() else 0)


def _span(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
