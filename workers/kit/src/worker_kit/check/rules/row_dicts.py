"""WK108: a D1 row taken for a dictionary."""

import ast
from collections.abc import Iterator

from worker_kit.check.bindings import is_d1_row
from worker_kit.check.module import Module
from worker_kit.check.rule import Rule

_OF_DICTS = frozenset({"get", "items", "keys", "values"})


def _find(module: Module) -> Iterator[ast.AST]:
    return (node for node in module.nodes if any(_is_row(module, taken) for taken in _taken_for_dicts(module, node)))


def _taken_for_dicts(module: Module, node: ast.AST) -> list[ast.expr]:
    """Return what `dict(…)`, `{**…}`, `f(**…)`, `…["column"]` or `….items()` takes for dictionaries."""
    if isinstance(node, ast.Call):
        spread = [keyword.value for keyword in node.keywords if keyword.arg is None]
        if module.is_builtin(node.func, "dict"):
            return [*node.args, *spread]
        asked = isinstance(node.func, ast.Attribute) and node.func.attr in _OF_DICTS
        return [*spread, node.func.value] if asked and isinstance(node.func, ast.Attribute) else spread
    if isinstance(node, ast.Dict):
        return [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return [node.value]
    return []


def _is_row(module: Module, node: ast.expr) -> bool:
    if is_d1_row(module, node):
        return True
    if not isinstance(node, ast.Name):
        return False
    for parent in module.ancestors(node):  # the name of a loop over rows
        loops: list[ast.For | ast.comprehension] = [parent] if isinstance(parent, ast.For) else []
        if isinstance(parent, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            loops.extend(parent.generators)
        for loop in loops:
            if isinstance(loop.target, ast.Name) and loop.target.id == node.id and is_d1_row(module, loop.iter):
                return True
    return False


RULE = Rule(
    code="WK108",
    sentence="a D1 row is a JavaScript object, which is neither iterable nor subscriptable in Python",
    mend="ask through worker_kit.d1.Database, whose rows are dictionaries, or convert with worker_kit.interop.to_py",
    find=_find,
    bad=(
        "async def user(env, name):\n    row = await env.DB.prepare('SELECT * FROM u WHERE n = ?').bind(name).first()\n"
        "    return dict(row) if row else None  # bad\n",
        "async def users(env):\n    found = await env.DB.prepare('SELECT * FROM u').all()\n"
        "    return [dict(row) for row in found.results]  # bad\n",
        "async def users(db):\n    rows = await db.execute_all('SELECT * FROM u')\n"
        "    for row in rows:\n        print(row['name'])  # bad\n",
        "async def user(db):\n    statement = db.prepare('SELECT 1 AS a')\n    row = await statement.first()\n"
        "    return {**row}  # bad\n",
        "async def user(env):\n    row = await env.DB.prepare('SELECT 1 AS a').first()\n"
        "    print(row.get('a'))  # bad\n    return User(**row)  # bad\n",
    ),
    good=(
        "from worker_kit.d1 import Database\n\nasync def user(db: Database):\n"
        "    row = await db.first('SELECT 1')\n    return dict(row) if row else None\n",
        "from worker_kit.interop import to_py\n\nasync def user(env):\n"
        "    row = to_py(await env.DB.prepare('SELECT 1 AS a').first())\n    return row['a']\n",
        "async def count(env):\n    hits = await env.DB.prepare('SELECT 1 AS hits').first('hits')\n    return {'hits': hits}\n",
        "async def rows(db, more):\n    query = db.select()\n    query = query.where(more)\n    found = await query.all()\n"
        "    found = found.rows\n    return dict(found), found.results['a']\n",
        "def pairs(items, more):\n    return dict(items.items(), **more)\n",
        "def pick(rows):\n    return [dict(row) for row in rows]\n",
    ),
)
