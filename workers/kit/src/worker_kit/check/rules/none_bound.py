"""WK109: Python's None bound to a D1 statement."""

import ast
from collections.abc import Iterator

from worker_kit.check.bindings import is_database, is_prepared
from worker_kit.check.module import Function, Module, last_name
from worker_kit.check.rule import Rule


def _find(module: Module) -> Iterator[ast.AST]:
    for call in module.calls():
        for value in _bound(module, call):
            if _may_be_none(module, value):
                yield value


def _bound(module: Module, call: ast.Call) -> list[ast.expr]:
    """Return the values a call gives to the placeholders of its SQL."""
    if not isinstance(call.func, ast.Attribute):
        return []
    if call.func.attr == "bind" and is_prepared(module, call.func.value):
        return [value for given in call.args for value in _unpacked(given)]
    parameters = call.args[1] if call.func.attr.startswith("execute") and len(call.args) > 1 else None
    if isinstance(parameters, (ast.Tuple, ast.List)) and is_database(module, call.func.value):
        return parameters.elts
    return []


def _unpacked(given: ast.expr) -> list[ast.expr]:
    """Return the values of `*[…]`, or the one that was given."""
    if isinstance(given, ast.Starred) and isinstance(given.value, (ast.List, ast.Tuple)):
        return given.value.elts
    return [given]


def _may_be_none(module: Module, node: ast.expr, seen: frozenset[ast.expr] = frozenset()) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return _may_be_none(module, node.values[-1], seen)
    if isinstance(node, ast.IfExp):
        return any(isinstance(side, ast.Constant) and side.value is None for side in (node.body, node.orelse))
    if not isinstance(node, ast.Name):
        return False
    function = module.function_of(node)
    declared = module.parameter(function, node.id)
    if function is None or declared is None or not (_defaults_to_none(function, declared) or _allows_none(declared)):
        following = [source for source in module.sources(node) if source is not node and source not in seen]
        return any(_may_be_none(module, source, seen.union(following)) for source in following)
    return not _is_examined(module, function, node.id)


def _defaults_to_none(function: Function, declared: ast.arg) -> bool:
    positional = [*function.args.posonlyargs, *function.args.args]
    defaults = dict(zip(positional[::-1], function.args.defaults[::-1], strict=False))
    defaults |= {name: value for name, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if value}
    default = defaults.get(declared)
    return isinstance(default, ast.Constant) and default.value is None


def _allows_none(declared: ast.arg) -> bool:
    """Tell whether the annotation says None: `str | None`, `Optional[str]`."""
    named = list(ast.walk(declared.annotation)) if declared.annotation is not None else []
    return any((isinstance(part, ast.Constant) and part.value is None) or last_name(part) == "Optional" for part in named)


def _is_examined(module: Module, function: Function, name: str) -> bool:
    """A function that tests or sets the name has thought of None; which way is beyond a look at the source."""
    for node in module.own_nodes(function):
        if isinstance(node, ast.Name) and node.id == name:
            parent = module.parents[node]
            if isinstance(node.ctx, ast.Store) or isinstance(parent, (ast.Compare, ast.BoolOp, ast.If, ast.IfExp, ast.UnaryOp)):
                return True
    return False


RULE = Rule(
    code="WK109",
    sentence="None crosses to D1 as undefined, which the raw binding refuses with D1_TYPE_ERROR",
    mend="ask through worker_kit.d1.Database, which binds None as NULL, or bind worker_kit.interop.to_js(value)",
    find=_find,
    bad=(
        "async def add(env):\n    await env.DB.prepare('INSERT INTO u VALUES (?)').bind(None).run()  # bad\n",
        "async def add(db, name, mail=None):\n    await db.prepare('INSERT INTO u VALUES (?, ?)').bind(name, mail).run()  # bad\n",
        "async def add(db, name):\n    await db.execute('INSERT INTO u VALUES (?, ?)', (name, None))  # bad\n",
        "async def add(db, name):\n    mail = name if '@' in name else None\n"
        "    await db.prepare('INSERT INTO u VALUES (?)').bind(mail).run()  # bad\n",
        "async def add(db, *, mail=None):\n    await db.prepare('INSERT INTO u VALUES (?)').bind(mail).run()  # bad\n",
        "async def add(db, mail: str | None):\n    await db.prepare('INSERT INTO u VALUES (?)').bind(mail).run()  # bad\n",
        "async def add(db, mail):\n    await db.prepare('INSERT INTO u VALUES (?)').bind(mail or None).run()  # bad\n",
        "async def add(db, mail):\n    await db.prepare('INSERT INTO u VALUES (?, ?)').bind(*[mail, None]).run()  # bad\n",
    ),
    good=(
        "async def add(db, name, mail=None):\n    mail = mail or ''\n"
        "    await db.prepare('INSERT INTO u VALUES (?, ?)').bind(name, mail).run()\n",
        "async def add(db, mail: str = ''):\n    await db.prepare('INSERT INTO u VALUES (?)').bind(mail).run()\n",
        "async def add(db, mail: str | None):\n    if mail is None:\n        return\n"
        "    await db.prepare('INSERT INTO u VALUES (?, ?)').bind(mail or '', *[mail]).run()\n",
        "from worker_kit.d1 import Database\n\nasync def add(db: Database):\n    await db.run('INSERT INTO u VALUES (?)', None)\n",
        "async def add(db, mails):\n    await db.prepare('INSERT INTO u VALUES (?)').bind(mails[0]).run()\n    print(mails)\n",
        "async def add(db, mail):\n    other = mail\n    mail = other\n    name = mail\n    mail = name\n"
        "    await db.prepare('INSERT INTO u VALUES (?)').bind(name).run()\n",
        "def serve(socket):\n    socket.bind(None)\n",
    ),
)
