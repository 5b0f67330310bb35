"""`drydock doctor`: look at the network, the disk and the clients from where it matters, and say what mends what is wrong."""

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.configuration import load_policy, upstream_settings
from drydock_cache.doctor.examination import Subject, examine
from drydock_cache.doctor.finding import Finding, Severity, fail, skipped, warn
from drydock_cache.doctor.host import judge_host
from drydock_cache.doctor.host_facts import HostFacts
from drydock_cache.doctor.report import Report, secrets_of
from drydock_cache.doctor.settings import judge_settings
from drydock_cache.doctor.targets import targets, wildcards
from drydock_cache.doctor.worker import judge_worker
from drydock_cache.errors import ConfigError
from drydock_cache.mode import Mode
from drydock_cache.options import (
    ConfigOption,
    JsonOption,
    LockOption,
    ModeOption,
    ResolveOption,
    StoreOption,
    UpstreamCaOption,
    chosen_locks,
)


def doctor(
    store: StoreOption = Path("store"),
    config: ConfigOption = Path("drydock.toml"),
    lock: LockOption = None,
    mode: ModeOption = Mode.ONLINE,
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
    state: Annotated[Path, typer.Option(envvar="DRYDOCK_STATE", help="Folder of the proxy's CA.")] = Path("state"),
    host_facts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What docker/tasks/doctor found outside of the containers; - is standard input."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find out why something fails: each finding with its evidence and what mends it; ends with 1 when there is any."""
    # they come while everything else is asked
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(_facts, host_facts)
        examined = _examined(store, config, lock, mode, resolve, upstream_ca, state, coming)
        facts = coming.result()
    found = list(judge_settings(os.environ)) if facts is None else [*judge_host(facts), *judge_worker(facts.text("worker"))]
    said = {one.evidence for one in found if one.evidence}
    found += (one for one in examined if one.evidence not in said)
    secrets = [*secrets_of(os.environ), *(secrets_of(facts.environment) if facts else ())]
    report = Report.of(found, datetime.now(UTC).isoformat(timespec="seconds"), secrets)
    if as_json:
        terminal.result(report.to_json())
    else:
        _print(report)
    sys.exit(report.status)


def _examined(
    store: Path,
    config: Path,
    lock: list[Path] | None,
    mode: Mode,
    resolve: list[str] | None,
    upstream_ca: list[Path] | None,
    state: Path,
    facts: Future[HostFacts | None],
) -> list[Finding]:
    """Examine by the settings that the proxy would have; what is wrong with them is a finding, too."""
    try:
        policy, notes = load_policy(config, os.environ)
        subject = Subject(
            upstream_settings(policy, os.environ, mode, resolve or (), upstream_ca or ()),
            targets(policy, chosen_locks(config, lock).lock),
            store,
            state / "ca.pem" if (state / "ca.pem").is_file() else None,
            lambda: found.certificates if (found := facts.result()) else {},
        )
    except ConfigError as error:
        return [
            fail("settings.wrong", "configuration", "drydock cannot start with its configuration.", error.message, error.remedy)
        ]
    with terminal.counting("doctor", "hosts") as watch:
        found = examine(subject, watch)
    unnamed = [
        skipped("ways.wildcard", pattern, "A pattern names no host that could be asked.") for pattern in wildcards(policy)
    ]
    unintended = "The policy says what cannot have been meant."
    mend = f"Correct what it names in {config}"
    return [*found, *unnamed, *(warn("settings.policy", str(config), unintended, note, mend) for note in notes)]


def _facts(path: Path | None) -> HostFacts | None:
    if path is None:
        return None
    try:
        return HostFacts.parse(sys.stdin.read() if str(path) == "-" else path.read_text(errors="replace"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "docker/tasks/doctor writes it: make doctor") from None


def _print(report: Report) -> None:
    terminal.findings(
        (str(one.severity), str(one.place), one.area, _named(one.subjects), one.what, one.evidence, one.mend)
        for one in report.findings
    )
    counts = ", ".join(f"{report.count(severity)} {severity}" for severity in reversed(Severity))
    terminal.say(f"doctor: {counts}")


def _named(subjects: tuple[str, ...]) -> str:
    shown = ", ".join(subjects[:3])
    return f"{shown} and {len(subjects) - 3} more" if len(subjects) > 3 else shown
