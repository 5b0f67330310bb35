"""Run every rule over parsed sources; no reading of files and no printing."""

import ast
from collections.abc import Iterator

from worker_kit.check.finding import Finding
from worker_kit.check.module import FUNCTIONS, Module, Project
from worker_kit.check.noqa import is_silenced
from worker_kit.check.rules import RULES


def find(tree: ast.Module, path: str, project: Project | None = None) -> Iterator[tuple[Finding, int]]:
    """Yield the findings in one tree with the line each ends at, `# noqa` not yet considered."""
    module = Module(tree, path, project)
    for rule in RULES:
        for node in rule.find(module):
            line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
            end = line if isinstance(node, FUNCTIONS) else getattr(node, "end_lineno", None) or line
            yield Finding(path, line, column + 1, rule.code, rule.sentence, rule.mend), end


def check_source(source: str, path: str = "<string>", project: Project | None = None) -> list[Finding]:
    """Return the findings in one source text that no `# noqa` silences, in their order.

    Raises SyntaxError (or ValueError for a null byte) where the text is no Python.
    """
    lines = source.splitlines()
    found = set(find(ast.parse(source, path), path, project))
    return sorted(finding for finding, end in found if not is_silenced(finding.code, [lines[finding.line - 1], lines[end - 1]]))
