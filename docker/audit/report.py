"""Decides which findings count, and says each in a line."""

from collections.abc import Iterable, Sequence
from datetime import date

from audit.advisories import Finding
from audit.exceptions import Accepted


def judge(findings: Iterable[Finding], accepted: Sequence[Accepted], today: date) -> tuple[list[str], bool]:
    """Return the lines to print and whether the audit failed; what is accepted is said, and counts after its last day."""
    lines, failed = [], False
    used: set[Accepted] = set()
    for finding in sorted(set(findings), key=lambda each: (each.package, each.ids)):
        package = finding.package
        what = f"{package.name} {package.version} ({package.lock}): {finding.ids[0]} {finding.summary}".rstrip()
        exception = next((each for each in accepted if each.package == package.name and each.id in finding.ids), None)
        if exception and exception.until >= today:
            used.add(exception)
            lines.append(f"accepted until {exception.until}: {what}; {exception.reason}")
            continue
        failed = True
        mend = f"; fixed in {', '.join(finding.fixed)}" if finding.fixed else ""
        past = f"; the exception ended on {exception.until}" if exception else ""
        lines.append(f"FOUND {what}{mend}{past}")
        used |= {exception} if exception else set()
    for unused in accepted:
        if unused not in used:
            failed = True
            lines.append(
                f"FOUND nothing for the exception {unused.id} of {unused.package}: remove it from docker/audit/exceptions.toml"
            )
    lines.append("audit: findings, see above" if failed else "audit: no finding")
    return lines, failed
