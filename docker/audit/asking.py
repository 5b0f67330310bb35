"""Asks the package registries for advisories, by pip-audit and npm audit; an answer that covers less than was asked is no answer."""

import json
import subprocess
from pathlib import Path

from audit.advisories import Finding
from audit.inventory import Locked, normalise


class NotReachedError(Exception):
    """Nobody could be asked about a lock; the text says why."""


def ask_python(lock: Path, packages: list[Locked]) -> list[Finding]:
    """Ask about a requirements file; raise NotReachedError when a single package of it was not looked up."""
    command = ["pip-audit", "--requirement", str(lock), "--disable-pip", "--require-hashes", "--format", "json"]
    done = _run([*command, "--progress-spinner", "off"])
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise NotReachedError(f"pip-audit: {_last_line(done.stderr)}") from None
    by_name = {package.name: package for package in packages}
    missed = by_name.keys() - {normalise(answer["name"]) for answer in answers if "vulns" in answer}
    if missed:  # pip-audit ends with 0 for these
        raise NotReachedError(f"pip-audit: the index has no advisories for {len(missed)} of {len(by_name)} packages")
    return [
        Finding(
            by_name[normalise(answer["name"])], (told["id"], *told["aliases"]), told["description"], tuple(told["fix_versions"])
        )
        for answer in answers
        for told in answer["vulns"]
    ]


def ask_npm(lock: Path, packages: list[Locked]) -> list[Finding]:
    """Ask about an npm lock; raise NotReachedError when the registry has no such service or is not there."""
    command = ["npm", "audit", "--json", "--package-lock-only"]
    done = _run(command, lock.parent)
    try:
        answer = json.loads(done.stdout)
        concerned = answer["vulnerabilities"]
    except (ValueError, KeyError):
        raise NotReachedError(f"npm audit: {_last_line(done.stderr)}") from None
    return [
        Finding(package, (told["url"].rpartition("/")[2],), told["title"], ())
        for name, entry in concerned.items()
        for told in entry["via"]
        if isinstance(told, dict)
        for package in packages
        if package.name == name
    ]


def _run(command: list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        raise NotReachedError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotReachedError(f"{command[0]} gave no answer in 120 s") from None


def _last_line(text: str) -> str:
    """Return what a tool said last, without any address: it may name a company's mirror, and its password."""
    lines = [line for line in text.splitlines() if line.strip() and "log of this run" not in line]
    return " ".join(word for word in (lines[-1] if lines else "no answer").split() if "://" not in word)[:200]
