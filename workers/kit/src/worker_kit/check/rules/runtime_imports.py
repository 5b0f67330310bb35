"""WK118: an import that only the runtime can satisfy, in a module that tests import."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import FUNCTIONS, Module, last_name
from worker_kit.check.rule import Rule

_RUNTIME = frozenset({"js", "workers", "pyodide", "pyodide_js", "asgi", "cloudflare", "_pyodide_entrypoint_helper"})
_ENTRIES = frozenset({"main", "entry", "worker"})
_HANDLERS = frozenset({"on_fetch", "on_scheduled"})


def _find(module: Module) -> Iterator[ast.AST]:
    if _is_entry(module) or module.path.stem in module.project.imported_late:
        return
    for node in module.nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _names(node) & _RUNTIME and not _is_guarded(module, node):
            yield node


def _names(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {name.name.partition(".")[0] for name in node.names}
    return {(node.module or "").partition(".")[0]} if not node.level else set()


def _is_entry(module: Module) -> bool:
    """The entry alone may import the runtime: no test imports it."""
    if module.path.stem in _ENTRIES:
        return True
    classes = (node for node in module.nodes if isinstance(node, ast.ClassDef))
    if any(last_name(base) == "WorkerEntrypoint" for found in classes for base in found.bases):
        return True
    return any(function.name in _HANDLERS for function in module.functions())


def _is_guarded(module: Module, node: ast.AST) -> bool:
    """Inside a function, a `try` or a condition (TYPE_CHECKING, the platform) an import harms no test."""
    return any(isinstance(parent, (*FUNCTIONS, ast.Try, ast.If)) for parent in module.ancestors(node))


RULE = Rule(
    code="WK118",
    sentence="this import exists only in the Workers runtime, so no test can import the module",
    mend="keep it in the entry, or import it inside the function that needs it",
    find=_find,
    bad=(
        "from workers import Response  # bad\n",
        "import js  # bad\nfrom pyodide.ffi import to_js  # bad\n",
    ),
    good=(
        "from workers import WorkerEntrypoint\n\nclass Default(WorkerEntrypoint):\n    pass\n",
        "from js import Response\n\nasync def on_fetch(request, env):\n    return Response.new('x')\n",
        "def fetch(url):\n    from js import fetch\n    return fetch(url)\n",
        "try:\n    import js\nexcept ImportError:\n    js = None\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import js\n",
        "import asgi\n\nclass Default(asgi.WorkerEntrypoint):\n    pass\n",
        "from .workers import names\n",
    ),
)
