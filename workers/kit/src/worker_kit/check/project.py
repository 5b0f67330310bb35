"""Read what only several files together show: who is a dependency, and which modules are imported late."""

import ast
from collections.abc import Iterable

from worker_kit.check.module import FUNCTIONS, Module, Project, dependency_names


def read_project(trees: Iterable[ast.Module]) -> Project:
    """Return what the rules may know of all files that are checked together."""
    dependencies: set[str] = set()
    early: set[str] = set()
    late: set[str] = set()
    for tree in trees:
        dependencies.update(dependency_names(tree))
        module = Module(tree)
        for node in module.nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                inside = any(isinstance(parent, FUNCTIONS) for parent in module.ancestors(node))
                (late if inside else early).update(_modules(node))
    return Project(frozenset(dependencies), frozenset(late - early))


def _modules(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return the last names of what an import may load: `from a.b import c` loads `b`, and perhaps a module `c`."""
    names = {name.name.rpartition(".")[2] for name in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        names.add(node.module.rpartition(".")[2])
    return names
