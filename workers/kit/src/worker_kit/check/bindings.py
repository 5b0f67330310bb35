"""Recognise D1 and KV in source: calls on them, and what those calls give back."""

import ast

from worker_kit.check.module import Module, last_name

D1_ENDINGS = frozenset({"first", "all", "run", "raw"})
"""The methods of a prepared statement that ask the database."""
D1_NAMES = frozenset({"db", "d1", "database"})
D1_DIRECT = frozenset({"execute", "execute_all", "fetch_one", "fetch_all", "exec", "batch"})
KV_METHODS = frozenset({"get", "put", "delete", "list", "getWithMetadata", "get_text", "get_json", "get_bytes", "keys"})
KIT_METHODS = frozenset({"first", "all", "run", "batch", "check_migrations"})


def is_prepared(module: Module, node: ast.expr, seen: frozenset[ast.expr] = frozenset()) -> bool:
    """Tell whether an expression is a D1 statement: a chain of calls that starts with `.prepare(…)`.

    `seen` holds the values already followed: a name may be given itself (`query = query.bind(1)`).
    """
    for source in module.sources(node):
        if source in seen:
            continue
        inner = source
        while isinstance(inner, (ast.Call, ast.Attribute)):
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == "prepare":
                return True
            inner = inner.func if isinstance(inner, ast.Call) else inner.value
        if isinstance(inner, ast.Name) and inner is not node and is_prepared(module, inner, seen | {source}):
            return True
    return False


def is_database(module: Module, node: ast.expr) -> bool:
    """Tell whether an expression is, by its name or annotation, a database of D1."""
    return last_name(node).lower() in D1_NAMES or module.annotation(node) == "worker_kit.d1.Database"


def is_d1_query(module: Module, node: ast.AST) -> bool:
    """Tell whether a call asks D1 through the raw binding, or through the shapes that wrap one."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    method, owner = node.func.attr, node.func.value
    if method in D1_ENDINGS and is_prepared(module, owner):
        return True
    return method in D1_DIRECT and is_database(module, owner)


def is_kit_query(module: Module, node: ast.AST) -> bool:
    """Tell whether a call asks D1 through the kit's `Database`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in KIT_METHODS and module.annotation(node.func.value) == "worker_kit.d1.Database"


def is_kv_call(module: Module, node: ast.AST) -> bool:
    """Tell whether a call goes to KV.

    A bare name counts only where it was taken from an attribute (`kv = env.KV`) or is the kit's `Namespace`:
    plain dictionaries are called `kv` too.
    """
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in KV_METHODS:
        return False
    owner = node.func.value
    if module.annotation(owner) == "worker_kit.kv.Namespace":
        return True
    return any(isinstance(source, ast.Attribute) and _is_kv_name(source.attr) for source in module.sources(owner))


def is_d1_row(module: Module, node: ast.expr, seen: frozenset[ast.expr] = frozenset()) -> bool:
    """Tell whether an expression is what a raw D1 query gave: a row, or rows by `.results`."""
    if isinstance(node, ast.Attribute) and node.attr == "results":
        return is_d1_row(module, node.value, seen)
    for source in module.sources(node):
        if source in seen:
            continue
        value = source.body if isinstance(source, ast.IfExp) else source
        if isinstance(value, ast.Await) and is_d1_query(module, value.value) and not _asks_one_column(value.value):
            return True
        if value is not node and isinstance(value, ast.Attribute) and is_d1_row(module, value, seen | {source}):
            return True
    return False


def _asks_one_column(query: ast.expr) -> bool:
    """`first("column")` gives the bare value, no row."""
    return isinstance(query, ast.Call) and last_name(query.func) == "first" and bool(query.args)


def _is_kv_name(name: str) -> bool:
    return "kv" in name.lower().split("_")
