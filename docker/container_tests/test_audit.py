"""The audit finds what advisories concern, accepts exceptions until their day, and never takes silence for a clean answer."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from audit import advisories, exceptions, inventory, report
from audit.inventory import Locked

DOCKER = Path(__file__).parents[1]


def advisory(package: str, *events: dict[str, str], ecosystem: str = "PyPI", **more: Any) -> dict[str, Any]:
    ranges = [{"type": "SEMVER" if ecosystem == "npm" else "ECOSYSTEM", "events": list(events)}]
    affected = {"package": {"ecosystem": ecosystem, "name": package}, "ranges": ranges}
    return {"id": "GHSA-made-up", "aliases": ["CVE-0000-1"], "summary": "it breaks", "affected": [affected], **more}


def locked(version: str, name: str = "h11", ecosystem: str = "PyPI") -> Locked:
    return Locked(ecosystem, name, version, Path("x.txt"))


@pytest.mark.parametrize(
    ("events", "concerned", "safe"),
    [
        ([{"introduced": "0"}, {"fixed": "2.0"}], ["0.1", "1.9", "2.0rc1"], ["2.0", "2.0.post1", "3"]),
        ([{"introduced": "1.0"}, {"last_affected": "1.5"}], ["1.0", "1.5"], ["0.9", "1.5.1"]),
        (
            [{"fixed": "1.2"}, {"introduced": "0"}, {"introduced": "2.0"}, {"fixed": "2.1"}],
            ["1.1", "2.0"],
            ["1.2", "1.10", "2.1"],
        ),
        ([{"introduced": "1.0"}], ["1.0", "99"], ["0.1"]),
    ],
)
def test_ranges_are_read_as_the_format_says(events: list[dict[str, str]], concerned: list[str], safe: list[str]) -> None:
    record = advisory("h11", *events)
    found = advisories.judge([record], [locked(version) for version in concerned + safe])
    assert [finding.package.version for finding in found] == concerned


def test_npm_versions_are_ordered_as_npm_does() -> None:
    """A pre-release comes before its release, and numbers count as numbers."""
    record = advisory("@a/b", {"introduced": "0"}, {"fixed": "1.10.0"}, ecosystem="npm")
    versions = [locked(version, "@a/b", "npm") for version in ("1.9.0", "1.10.0-beta.2", "1.10.0", "1.11.0")]
    assert [finding.package.version for finding in advisories.judge([record], versions)] == ["1.9.0", "1.10.0-beta.2"]


def test_names_of_one_ecosystem_mean_nothing_in_the_other_and_spelling_does_not_matter() -> None:
    record = advisory("Typing_Extensions", {"introduced": "0"})
    assert not advisories.judge([record], [locked("1.0", "typing-extensions", "npm")])
    assert advisories.judge([record], [locked("1.0", "typing-extensions")])


def test_what_was_withdrawn_concerns_nobody() -> None:
    assert not advisories.judge([advisory("h11", {"introduced": "0"}, withdrawn="2026-01-01")], [locked("1.0")])


def test_an_exception_holds_until_its_day_and_not_after() -> None:
    (finding,) = advisories.judge([advisory("h11", {"introduced": "0"}, {"fixed": "2.0"})], [locked("1.0")])
    accepted = [exceptions.Accepted("CVE-0000-1", "h11", "not reachable here", date(2026, 5, 31))]
    lines, failed = report.judge([finding], accepted, date(2026, 5, 31))
    assert (failed, lines[0]) == (
        False,
        "accepted until 2026-05-31: h11 1.0 (x.txt): GHSA-made-up it breaks; not reachable here",
    )
    lines, failed = report.judge([finding], accepted, date(2026, 6, 1))
    assert failed
    assert lines[0] == "FOUND h11 1.0 (x.txt): GHSA-made-up it breaks; fixed in 2.0; the exception ended on 2026-05-31"


def test_an_exception_that_accepts_nothing_is_a_finding() -> None:
    accepted = [exceptions.Accepted("CVE-0000-1", "h11", "why", date(2026, 5, 31))]
    assert report.judge([], accepted, date(2026, 1, 1))[1]


@pytest.mark.parametrize(
    "entry",
    [
        'id = "A"\npackage = "b"\nuntil = 2026-01-01',
        'id = "A"\npackage = "b"\nreason = " "\nuntil = 2026-01-01',
        'id = "A"\npackage = "b"\nreason = "c"',
        'id = "A"\npackage = "b"\nreason = "c"\nuntil = "2026-01-01"',
        'id = "A"\npackage = "b"\nreason = "c"\nuntil = 2026-01-01\nforever = true',
    ],
)
def test_an_exception_without_reason_or_date_is_refused(entry: str, tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(f"[[accepted]]\n{entry}\n")
    with pytest.raises(ValueError, match="entry 1 is not complete"):
        exceptions.load(file)


def test_every_lock_of_the_repository_is_read() -> None:
    """Each requirements file with hashes and each npm lock gives packages."""
    root = DOCKER.parent
    locks = {package.lock.relative_to(root).as_posix() for package in inventory.read(root)}
    assert {"docker/requirements/drydock-proxy.txt", "docker/toolchain/package-lock.json"} <= locks
    assert len(locks) == len(inventory.python_locks(root)) + len(inventory.npm_locks(root))


def audit(root: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(DOCKER), "PATH": path or os.environ["PATH"]}
    command = [sys.executable, "-m", "audit", *arguments, str(root)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one Python lock, of an h11 that was found at fault."""
    folder = tmp_path / "project/docker/requirements"
    folder.mkdir(parents=True)
    (folder / "all.txt").write_text(f"h11==0.14.0 \\\n    --hash=sha256:{'0' * 64}\n")
    return tmp_path / "project"


def test_a_fault_of_a_locked_package_fails_the_audit_by_the_advisories_that_lie_here(project: Path) -> None:
    done = audit(project, "--files-only")
    assert done.returncode == 1
    assert "FOUND h11 0.14.0" in done.stdout
    assert "GHSA-vqfr-h8mv-ghfj" in done.stdout
    assert "fixed in 0.16.0" in done.stdout


def test_a_folder_of_advisories_counts(project: Path, tmp_path: Path) -> None:
    """What somebody carried here in the OSV format is found, and a file of another kind is refused."""
    carried = tmp_path / "carried"
    carried.mkdir()
    (carried / "one.json").write_text(json.dumps(advisory("h11", {"introduced": "0.14.0"}, {"fixed": "0.14.1"})))
    assert "GHSA-made-up it breaks; fixed in 0.14.1" in audit(project, "--files-only", "--advisories", str(carried)).stdout
    (carried / "two.json").write_text("{}")
    refused = audit(project, "--files-only", "--advisories", str(carried))
    assert (refused.returncode, "two.json is no advisory" in refused.stderr) == (2, True)


def test_a_registry_that_cannot_be_asked_is_said_and_not_taken_for_clean(project: Path) -> None:
    """pip-audit ends with 0 where its index knows no advisories; the lock is named as not asked, and files still count."""
    done = audit(project, path="/usr/bin:/bin")  # as where pip-audit is not installed
    assert done.returncode == 1
    assert "registry NOT asked" in done.stdout
    assert "FOUND h11 0.14.0" in done.stdout


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"dependencies": [{"name": "h11", "skip_reason": "Dependency not found"}]}, "NOT asked"),
        ({"dependencies": []}, "NOT asked"),
        ({"dependencies": [{"name": "h11", "version": "0.14.0", "vulns": []}]}, "registry asked"),
    ],
)
def test_an_answer_counts_when_it_covers_every_package(
    answer: dict[str, Any], told: str, project: Path, tmp_path: Path
) -> None:
    tool = tmp_path / "bin/pip-audit"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
    tool.chmod(0o755)
    assert told in audit(project, path=f"{tool.parent}:/usr/bin:/bin").stdout
