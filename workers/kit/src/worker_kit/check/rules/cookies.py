"""WK115: several Set-Cookie headers, of which the important one is not the last."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Function, Module, argument
from worker_kit.check.rule import Rule

_METHODS = frozenset({"set_cookie", "delete_cookie"})
_LEADING = ("access_token", "access-token", "session", "auth_token", "refresh_token")


def _find(module: Module) -> Iterator[ast.AST]:
    for function in module.functions():
        yield from _out_of_order(module, function)
        yield from _overwritten(module, function)


def _out_of_order(module: Module, function: Function) -> Iterator[ast.AST]:
    """Yield a leading cookie that another cookie of the same response follows in the same block."""
    for first, second in _neighbours(module, function):
        if _is_leading(first) and not _is_leading(second):
            yield first


def _neighbours(module: Module, function: Function) -> Iterator[tuple[ast.Call, ast.Call]]:
    calls = [node for node in module.own_nodes(function) if isinstance(node, ast.Call) and _owner(node)]
    for index, first in enumerate(calls):
        for second in calls[index + 1 :]:
            if _owner(first) == _owner(second) and _block(module, first) == _block(module, second):
                yield first, second
                break


def _block(module: Module, node: ast.AST) -> int:
    """Return what tells the block of a node's statement from every other, an `if` from its `else` too."""
    statement = next((around for around in module.ancestors(node) if isinstance(around, ast.stmt)), node)
    blocks = (value for _, value in ast.iter_fields(module.parents[statement]) if isinstance(value, list))
    return next((id(block) for block in blocks if statement in block), 0)


def _owner(call: ast.Call) -> str:
    return ast.dump(call.func.value) if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS else ""


def _is_leading(call: ast.Call) -> bool:
    name = argument(call, 0, "key")
    text = name.value if isinstance(name, ast.Constant) else ast.unparse(name) if name is not None else ""
    return any(part in str(text).lower() for part in _LEADING)


def _overwritten(module: Module, function: Function) -> Iterator[ast.AST]:
    """Yield the second assignment to one response's Set-Cookie: it replaces the first."""
    seen: set[str] = set()
    for node in module.own_nodes(function):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant):
            owner = f"{ast.dump(node.value)}@{_block(module, node)}"
            if str(node.slice.value).lower() == "set-cookie":
                if owner in seen:
                    yield node
                seen.add(owner)


RULE = Rule(
    code="WK115",
    sentence="the cookie that signs in or out is not the last one, and runtimes before this SDK send only the last",
    mend="set or delete it last, as worker_kit.cookies does, and never assign Set-Cookie twice",
    find=_find,
    bad=(
        "def logout(response):\n    response.delete_cookie('access_token')  # bad\n    response.delete_cookie('csrf')\n",
        "def login(response, token):\n    response.set_cookie(key='session_id', value=token)  # bad\n"
        "    response.set_cookie('theme', 'dark')\n",
        "def both(response):\n    response.headers['Set-Cookie'] = 'a=1'\n    response.headers['set-cookie'] = 'b=2'  # bad\n",
    ),
    good=(
        "def logout(response):\n    response.delete_cookie('csrf')\n    response.delete_cookie('access_token')\n",
        "def login(response):\n    response.set_cookie('session', 'a')\n",
        "def split(first, second):\n    first.set_cookie('session', 'a')\n    second.set_cookie('theme', 'b')\n",
        "def either(response, out):\n    if out:\n        response.delete_cookie('session')\n"
        "    else:\n        response.set_cookie('theme', 'b')\n",
    ),
)
