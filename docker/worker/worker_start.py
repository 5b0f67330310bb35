"""Start a Worker: merge certificates, lay its folder out, install and migrate what is stale, become what was asked for.

worker-entrypoint [dev | sync | migrate | script | deploy] [ARGUMENTS…]    or any other command with its arguments

Settings, all from the environment: PORT; DRYDOCK_CA, drydock's certificate; DRYDOCK_CORPORATE_CA, a PEM file or a folder;
DRYDOCK_WORKER_SOURCE, the mounted sources; DRYDOCK_RUN, where the merged bundle goes. It must run as an ordinary user.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from worker_ca import UNSET_VARIABLES, merge
from worker_commands import WORDS, Migrations, Plan, Preparation, plan
from worker_errors import WorkerError
from worker_local_packages import digest_package, find_local_packages
from worker_migrations import apply_command, find_databases, read_configuration, read_files
from worker_project import Project, check_secrets, fingerprint, is_stale, link_sources, place_sdk, read_project, seed_lock

WORK = Path("/worker")
CONFIGURATIONS = ("wrangler.jsonc", "wrangler.json", "wrangler.toml")
# Beside the local databases: without them, it is gone too.
MIGRATED = WORK / ".wrangler" / "state" / "v3" / "d1" / ".drydock"
PYWRANGLER = Path("/opt/pywrangler")


def say(text: str) -> None:
    """Print one line about what is being done."""
    print(f"drydock: {text}", file=sys.stderr, flush=True)


def site_packages() -> Path:
    """Find where the image's pywrangler and SDK lie."""
    return next(PYWRANGLER.glob("lib/python3.*/site-packages"))


def version_of(distribution: str) -> str:
    """Read the version of a package beside pywrangler from the name of its metadata folder."""
    return next(site_packages().glob(f"{distribution}-*.dist-info")).name.removesuffix(".dist-info").partition("-")[2]


def run(command: list[str], what: str) -> None:
    """Run one preparation in the work volume and say how long it took; it gets no terminal, so that it asks nothing."""
    started = time.monotonic()
    say(f"{what}: {' '.join(command)}")
    code = subprocess.run(command, cwd=WORK, check=False, stdin=subprocess.DEVNULL).returncode
    if code:
        raise WorkerError(
            f"{what} failed: `{' '.join(command)}` ended with {code}; "
            "its own message is above, the proxy's is in: docker compose logs proxy"
        )
    say(f"{what}: done in {time.monotonic() - started:.1f} s")


def when_stale(token: Path, wanted: Callable[[], str], install: Callable[[], None]) -> None:
    """Install unless the token says that nothing changed; it is written after success, from what the installation left."""
    if is_stale(token, wanted()):
        token.unlink(missing_ok=True)
        install()
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_text(wanted())


def install(project: Project) -> None:
    """Install the Worker's npm and Python packages where they are stale."""
    if project.npm_lock:
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        when_stale(
            WORK / "node_modules" / ".drydock",
            lambda: fingerprint(WORK, ("package.json", "package-lock.json"), node),
            lambda: run(["npm", "ci", "--no-progress"], "npm packages"),
        )
    if not project.python:
        return
    pywrangler, sdk = version_of("workers_py"), version_of("workers_runtime_sdk")

    def sync() -> None:
        if not project.dependencies:
            place_sdk(site_packages(), project, pywrangler)
            return
        # Without --force, pywrangler compares times, and a file from an older commit looks unchanged to it.
        force = ["--force"] if (WORK / "python_modules" / ".synced").is_file() else []
        run(["pywrangler", "sync", *force], "Python packages")

    seed_lock(project.root, sdk)
    names = ("pyproject.toml", "pylock.toml", *CONFIGURATIONS)
    local = [digest_package(folder) for folder in find_local_packages(WORK)]
    when_stale(WORK / "python_modules" / ".drydock", lambda: fingerprint(WORK, names, pywrangler, sdk, *local), sync)
    # pywrangler compares times where this compares contents: what a fresh checkout only touched must not cost it a sync.
    for token in (WORK / "python_modules" / ".synced", WORK / ".venv-workers" / ".synced"):
        if token.is_file():
            token.touch()


def migrate(decided: Plan) -> None:
    """Apply the D1 migrations that were decided on."""
    databases = find_databases(WORK, read_configuration(WORK), decided.environment)

    def apply() -> None:
        for database in databases:
            run(apply_command(database, decided.environment, remote=decided.migrations is Migrations.REMOTE), "D1 migrations")

    if not databases and decided.migrations is not Migrations.CHANGED:
        say("D1 migrations: no database of this Worker has any, so there is nothing to apply")
    if decided.migrations is Migrations.REMOTE:
        apply()
    elif databases:
        if decided.migrations is Migrations.LOCAL:
            MIGRATED.unlink(missing_ok=True)
        # The configuration too: a database with another id is another, empty file.
        names = (*CONFIGURATIONS, *read_files(WORK, databases))
        when_stale(MIGRATED, lambda: fingerprint(WORK, names, decided.environment or ""), apply)


def start() -> None:
    """Read the settings, prepare, and become the command."""
    if os.geteuid() == 0:
        raise WorkerError(
            "worker-entrypoint runs as root: expected an ordinary user; leave `user:` out, or start with --user 1000"
        )
    bundle = Path(os.environ.get("DRYDOCK_RUN", "/run/drydock")) / "ca-bundle.pem"
    try:
        os.environ |= merge(os.environ.get("DRYDOCK_CA", ""), os.environ.get("DRYDOCK_CORPORATE_CA", ""), bundle)
    except OSError as error:
        raise WorkerError(
            f"{error.filename or bundle} cannot be written: {error.strerror}; mount a tmpfs with uid={os.geteuid()} at {bundle.parent}"
        ) from error
    for name in UNSET_VARIABLES:
        os.environ.pop(name, None)
    source = Path(os.environ.get("DRYDOCK_WORKER_SOURCE", "/drydock/worker"))
    project = None
    if source.is_dir():
        try:
            link_sources(source, WORK)
        except OSError as error:
            raise WorkerError(
                f"{error.filename or WORK} cannot be written: {error.strerror}; "
                f"mount a volume at {WORK} that user {os.geteuid()} may write"
            ) from error
        project = read_project(WORK)
    elif any(WORK.glob("wrangler.*")):
        project = read_project(WORK)
    decided = plan(sys.argv[1:], os.environ, project)
    if decided.preparation is Preparation.INSTALL and project:
        check_secrets(WORK)
        install(project)
    if decided.migrations is not Migrations.NONE:
        migrate(decided)
    if decided.command:
        try:
            os.execvp(decided.command[0], decided.command)  # noqa: S606 # the signals must reach the command itself
        except FileNotFoundError as error:
            raise WorkerError(
                f"{decided.command[0]} is not in this image: expected {', '.join(sorted(WORDS))} or a program"
            ) from error


def main() -> None:
    """Start the Worker, or say in one sentence why not."""
    try:
        start()
    except WorkerError as error:
        say(str(error))
        sys.exit(1)
