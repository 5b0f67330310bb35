"""Judges versions: required and have, for everything that drydock stands on."""

import re
from collections.abc import Iterator, Mapping

from drydock_cache.doctor.finding import Finding, fail, ok, skipped

# What is required, and the command that gives it.
REQUIRED: Mapping[str, tuple[str, str]] = {
    "docker": ("25.0", "Install a newer Docker Engine (docs.docker.com/engine/install) or update Docker Desktop."),
    "compose": ("2.24", "Install a newer Compose plugin (docs.docker.com/compose/install) or update Docker Desktop."),
    "buildx": ("0.11", "Install a newer Buildx plugin (docs.docker.com/build) or update Docker Desktop."),
    "node": ("22.12", "docker compose build --pull, with NODE_IMAGE=node:24-trixie-slim"),
    "python": ("3.12", "docker compose build --pull, with PYTHON_IMAGE=python:3.14-slim-trixie"),
    "uv": ("0.13.4", "docker compose build --pull, with UV_IMAGE=ghcr.io/astral-sh/uv:latest"),
    "wrangler": ("4.127.1", "unset WRANGLER_VERSION && docker compose build"),
    "workerd": ("1.20250508.0", "unset WORKERD_VERSION && docker compose build"),
    "pywrangler": ("1.9", "unset WORKERS_PY_VERSION && docker compose build"),
}
_NUMBER = re.compile(r"\d+(?:\.\d+)+")
_DATE = re.compile(r"workerd (\d{4})-(\d{2})-(\d{2})")


def judge_versions(texts: Mapping[str, str]) -> Iterator[Finding]:
    """Judge what each program printed when it was asked for its version; empty means that it did not run."""
    for name, text in texts.items():
        if name not in REQUIRED:
            continue
        required, mend = REQUIRED[name]
        found = read_version(text)
        if found is None:
            said = text.strip().splitlines()[-1][:200] if text.strip() else "nothing"
            yield skipped(f"versions.{name}", name, f"Its version is not known: it said {said}.")
        elif _numbers(found) < _numbers(required):
            yield fail(
                f"versions.{name}", name, f"The version of {name} is too old.", f"required {required}, have {found}", mend
            )
        else:
            yield ok(f"versions.{name}", name, "The version is new enough.", f"required {required}, have {found}")


def read_version(text: str) -> str | None:
    """Find the version in what a program printed; workerd names the date that its own version is made of."""
    if date := _DATE.search(text):
        return f"1.{date[1]}{date[2]}{date[3]}.0"
    found = _NUMBER.search(text)
    return found[0] if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
