"""The command `worker-kit`: check sources for the traps of Python Workers."""

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from worker_kit.check.engine import check_source
from worker_kit.check.finding import Finding
from worker_kit.check.project import read_project
from worker_kit.check.rule import Rule
from worker_kit.check.rules import RULES
from worker_kit.check.sources import UnreadableError, python_files, read_source

CLEAN, FOUND, FAILED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 clean, 1 findings, 2 where something could not be checked."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(f"{rule.code} {rule.sentence} ({rule.mend})" for rule in RULES))
        return CLEAN
    if given.explain:
        rule = next((rule for rule in RULES if rule.code == given.explain.upper()), None)
        if rule is None:
            return _fail([f"{given.explain}: there is no such rule; worker-kit check --list prints them all"])
        print(_explained(rule))
        return CLEAN
    if not given.paths:
        parser.error("name a file or folder to check, for example: worker-kit check src/")
    found, failures = check_paths(given.paths)
    for finding in found:
        print(finding)
    if failures:
        return _fail(failures)
    return FOUND if found else CLEAN


def check_paths(paths: Sequence[Path]) -> tuple[list[Finding], list[str]]:
    """Return the findings below `paths`, and a sentence for each file that could not be checked."""
    failures: list[str] = []
    sources: dict[Path, str] = {}
    trees: list[ast.Module] = []
    try:
        files = list(dict.fromkeys(python_files(paths)))
    except UnreadableError as error:
        return [], [str(error)]
    for file in files:
        try:
            sources[file] = read_source(file)
            trees.append(ast.parse(sources[file], str(file)))
        except UnreadableError as error:
            failures.append(str(error))
        except (SyntaxError, ValueError) as error:
            line = error.lineno if isinstance(error, SyntaxError) and error.lineno else 1
            column = error.offset if isinstance(error, SyntaxError) and error.offset else 1
            reason = error.msg if isinstance(error, SyntaxError) else error
            failures.append(f"{file}:{line}:{column} is no Python {sys.version_info.major}.{sys.version_info.minor}: {reason}")
            del sources[file]
    project = read_project(trees)
    return [finding for file, text in sources.items() for finding in check_source(text, str(file), project)], failures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="worker-kit", description="Tools for Python Workers.")
    check = parser.add_subparsers(required=True).add_parser("check", help="find the traps of the runtime in source")
    check.add_argument("paths", metavar="PATH", nargs="*", type=Path, help="a file, or a folder without its tests")
    check.add_argument("--list", action="store_true", help="print the rules and stop")
    check.add_argument("--explain", metavar="CODE", help="print one rule with its examples and stop")
    return parser


def _explained(rule: Rule) -> str:
    bad = [f"Bad:\n\n{example}" for example in rule.bad]
    good = [f"Good:\n\n{example}" for example in rule.good]
    return "\n".join([f"{rule.code} {rule.sentence}.", f"Mend: {rule.mend}.", "", *bad, *good])


def _fail(sentences: Sequence[str]) -> int:
    for sentence in sentences:
        print(f"worker-kit: {sentence}", file=sys.stderr)
    return FAILED
