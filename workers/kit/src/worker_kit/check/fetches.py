"""Recognise calls of the runtime's own `fetch`, and the options they are given."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module

_TAKES_OPTIONS = frozenset({"js.fetch", "js.Request.new", "js.Response.new"})


def option_calls(module: Module) -> Iterator[ast.Call]:
    """Yield the calls to JavaScript that take a request's or a response's options."""
    return (call for call in module.calls() if module.dotted(call.func) in _TAKES_OPTIONS)


def raw_options(module: Module, call: ast.Call) -> ast.expr | None:
    """Return the second argument where it is a Python dictionary that nothing converted."""
    if len(call.args) > 1 and is_dict(module, call.args[1]):
        return call.args[1]
    return None


def option(module: Module, call: ast.Call, name: str) -> Iterator[ast.expr]:
    """Yield the values an option has when it reaches JavaScript as it is in Python.

    They are the call's keyword, the entry of a raw dictionary, and the pair of an `Object.fromEntries` around them.
    """
    yield from (keyword.value for keyword in call.keywords if keyword.arg == name)
    for given in call.args[1:2]:
        for source in module.sources(given):
            if _is_from_entries(module, source) and isinstance(source, ast.Call) and source.args:
                yield from _entry(module, source.args[0], name)
            else:
                yield from _entry(module, source, name)


def is_dict(module: Module, node: ast.expr) -> bool:
    """Tell whether an expression is a Python dictionary written in this file."""
    return any(
        isinstance(source, (ast.Dict, ast.DictComp))
        or (isinstance(source, ast.Call) and module.is_builtin(source.func, "dict"))
        for source in module.sources(node)
    )


def _is_from_entries(module: Module, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and module.dotted(node.func) == "js.Object.fromEntries"


def _entry(module: Module, node: ast.expr, name: str, seen: frozenset[ast.expr] = frozenset()) -> Iterator[ast.expr]:
    """Yield the values of one key in a dictionary, in a list of pairs, or in the items of a dictionary."""
    for source in module.sources(node):
        if source in seen:
            continue
        if isinstance(source, ast.Dict):
            for key, value in zip(source.keys, source.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == name:
                    yield value
        elif isinstance(source, (ast.List, ast.Tuple)):
            for pair in source.elts:
                if isinstance(pair, (ast.List, ast.Tuple)) and len(pair.elts) == 2:
                    key, value = pair.elts
                    if isinstance(key, ast.Constant) and key.value == name:
                        yield value
        elif isinstance(source, (ast.ListComp, ast.GeneratorExp)):
            yield from _entry(module, source.generators[0].iter, name, seen | {source})
        elif isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) and source.func.attr == "items":
            yield from _entry(module, source.func.value, name, seen | {source})
