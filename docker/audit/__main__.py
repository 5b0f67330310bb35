"""Audits the locks and prints the findings: python -m audit [--advisories FOLDER] [ROOT]; 0 none, 1 some, 2 bad input.

The registries are asked where they can be reached. What is in files counts in any case: docker/audit/advisories, and with
--advisories a folder in the OSV format, such as an unpacked all.zip of an ecosystem, carried to where no network is.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from audit import advisories, asking, exceptions, inventory
from audit.report import judge


def main() -> int:
    """Run the audit and return the exit status."""
    parser = argparse.ArgumentParser(prog="make audit", description="Audit every locked dependency.")
    parser.add_argument("--advisories", type=Path, action="append", default=[], metavar="FOLDER", help="advisories, OSV format")
    parser.add_argument("--files-only", action="store_true", help="ask no registry")
    parser.add_argument("root", type=Path, nargs="?", default=Path())
    given = parser.parse_args()
    own = Path(__file__).parent
    try:
        packages = list(inventory.read(given.root))
        accepted = exceptions.load(own / "exceptions.toml")
        records = [record for folder in [own / "advisories", *given.advisories] for record in advisories.load(folder)]
    except ValueError as error:
        print(f"make audit: {error}", file=sys.stderr)
        return 2
    findings = advisories.judge(records, packages)
    print(f"{len(packages)} locked packages against {len(records)} advisories in files")
    for lock in [] if given.files_only else [*inventory.python_locks(given.root), *inventory.npm_locks(given.root)]:
        ask = asking.ask_npm if lock.suffix == ".json" else asking.ask_python
        of_lock = [package for package in packages if package.lock == lock]
        try:
            findings += ask(lock, of_lock)
            print(f"{lock}: {len(of_lock)} packages, registry asked")
        except asking.NotReachedError as error:
            print(f"{lock}: {len(of_lock)} packages, registry NOT asked, advisories in files alone ({error})")
    lines, failed = judge(findings, accepted, datetime.now(UTC).date())
    print("\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
