"""Reads advisories from files in the OSV format, and decides whether one concerns a version."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.version import Version
from semver import Version as SemanticVersion

from audit.inventory import Locked, normalise

# How each ecosystem orders its versions (OSV schema, affected[].ranges[].type).
_ORDER: dict[str, Callable[[str], Any]] = {"PyPI": Version, "npm": SemanticVersion.parse}


class Finding(NamedTuple):
    """A locked package that an advisory concerns; `ids` are all names of the advisory, `fixed` versions that mend it."""

    package: Locked
    ids: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]


def load(folder: Path) -> list[dict[str, Any]]:
    """Read every advisory below a folder, as osv.dev offers them; raise ValueError for a file that is none, and for no files."""
    files = sorted(folder.rglob("*.json"))
    if not files:
        raise ValueError(f"{folder} holds no advisory (*.json in the OSV format)")
    records = []
    for file in files:
        try:
            record = json.loads(file.read_text())
            record["id"], record["affected"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is no advisory in the OSV format: {error}") from None
        records.append(record)
    return records


def judge(records: Iterable[dict[str, Any]], packages: Iterable[Locked]) -> list[Finding]:
    """Return a finding for each locked package that an advisory concerns; a withdrawn advisory concerns none."""
    concerned: dict[tuple[str, str], list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for record in records:
        for affected in record["affected"] if not record.get("withdrawn") else ():
            package = affected.get("package", {})
            name = package.get("name", "")
            key = package.get("ecosystem", ""), normalise(name) if package.get("ecosystem") == "PyPI" else name
            concerned.setdefault(key, []).append((record, affected))
    return [
        Finding(package, (record["id"], *record.get("aliases", ())), record.get("summary", ""), _fixes(affected))
        for package in packages
        for record, affected in concerned.get((package.ecosystem, package.name), ())
        if _concerns(affected, package)
    ]


def _concerns(affected: dict[str, Any], package: Locked) -> bool:
    """Decide as the OSV schema says: a version that is listed, or that lies in one of the ranges."""
    if package.version in affected.get("versions", ()):
        return True
    ranges = [each for each in affected.get("ranges", ()) if each.get("type") in ("ECOSYSTEM", "SEMVER")]
    return any(_within(each.get("events", ()), package) for each in ranges)


def _within(events: Sequence[dict[str, str]], package: Locked) -> bool:
    order = _ORDER[package.ecosystem]
    version, inside = order(package.version), False
    known = [
        (kind, event[kind]) for event in events for kind in ("introduced", "fixed", "last_affected") if kind in event
    ]  # a "limit" concerns commits alone
    # "0" stands before every version.
    for kind, text in sorted(known, key=lambda each: (each[1] != "0", None if each[1] == "0" else order(each[1]))):
        if kind == "introduced":
            inside = inside or text == "0" or version >= order(text)
        elif version > order(text) or (kind == "fixed" and version == order(text)):
            inside = False
    return inside


def _fixes(affected: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        event["fixed"]
        for each in affected.get("ranges", ())
        if each.get("type") in ("ECOSYSTEM", "SEMVER")
        for event in each.get("events", ())
        if "fixed" in event
    )
