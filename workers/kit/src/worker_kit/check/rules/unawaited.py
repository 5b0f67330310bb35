"""WK110: a call to D1 or KV that nobody awaits."""

import ast
from collections.abc import Iterator

from worker_kit.check.bindings import is_d1_query, is_kit_query, is_kv_call
from worker_kit.check.module import Module
from worker_kit.check.rule import Rule

_NEED_THE_VALUE = frozenset({"str", "int", "float", "bool", "len", "dict", "list", "json.loads", "print"})
_HAND_ON = (ast.Await, ast.Return, ast.Yield, ast.Lambda, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_LOOK_THROUGH = (ast.IfExp, ast.BoolOp, ast.NamedExpr, ast.Starred, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.keyword)


def _find(module: Module) -> Iterator[ast.AST]:
    for call in module.calls():
        if (is_d1_query(module, call) or is_kit_query(module, call) or is_kv_call(module, call)) and not _is_handed_on(
            module, call
        ):
            yield call


def _is_handed_on(module: Module, node: ast.AST, seen: frozenset[ast.AST] = frozenset()) -> bool:
    """Tell whether the awaitable reaches an `await`, or something that may await it."""
    parent = module.parents[node]
    if isinstance(parent, _HAND_ON):
        return True
    if isinstance(parent, ast.IfExp) and parent.test is node:
        return False
    if isinstance(parent, _LOOK_THROUGH):
        return _is_handed_on(module, parent, seen)
    if isinstance(parent, ast.Call):
        return module.dotted(parent.func) not in _NEED_THE_VALUE
    if isinstance(parent, ast.Attribute):
        return parent.attr in {"then", "catch"}  # a JavaScript promise's own way to wait
    if isinstance(parent, (ast.Assign, ast.AnnAssign)):
        target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
        if not isinstance(target, ast.Name):
            return True
        if parent in seen:
            return False
        function = module.function_of(parent)
        names = [use for use in (module.own_nodes(function) if function else module.nodes) if isinstance(use, ast.Name)]
        uses = [use for use in names if use.id == target.id and isinstance(use.ctx, ast.Load)]
        return any(_is_handed_on(module, use, seen | {parent}) for use in uses)
    return False


RULE = Rule(
    code="WK110",
    sentence="a call to D1 or KV gives a promise: without await its value is missing and its error unseen",
    mend="await it",
    find=_find,
    bad=(
        "async def add(env):\n    env.DB.prepare('DELETE FROM u').run()  # bad\n",
        "async def get(settings):\n    if settings.kv.get('a'):  # bad\n        return 1\n    return 0\n",
        "import json\n\nasync def get(env):\n    kv = env.CACHE_KV\n    return json.loads(kv.get('a'))  # bad\n",
        "async def get(env):\n    env.KV_CACHE.put('a', 'b')  # bad\n",
        "async def get(env):\n    row = env.DB.prepare('SELECT 1 AS a').first()  # bad\n    if row:\n        pass\n",
        "async def get(env):\n    first = env.KV.get('a')  # bad\n    second = first\n    first = second\n",
        "async def get(env):\n    return 1 if env.KV.get('a') else 0  # bad\n",
        "from worker_kit.kv import Namespace\n\nasync def keep(cache: Namespace):\n    cache.put('a', 'b')  # bad\n",
        "from worker_kit.d1 import Database\n\nasync def add(base: Database):\n    base.run('DELETE FROM u')  # bad\n",
    ),
    good=(
        "async def add(env):\n    await env.DB.prepare('DELETE FROM u').run()\n",
        "import asyncio\n\nasync def both(env):\n    await asyncio.gather(env.KV.get('a'), env.KV.get('b'))\n",
        "async def later(env):\n    waiting = env.KV.get('a')\n    return await waiting\n",
        "def get(env):\n    return env.KV.get('a')\n",
        "async def get(env, fresh):\n    return await (env.KV.get('a') if fresh else env.KV.get('b'))\n",
        "def get(env, done):\n    env.KV.get('a').then(done)\n    return [env.KV.get(key) for key in 'ab']\n",
        "class Page:\n    def start(self, env):\n        self.waiting = env.KV.get('a')\n",
        "def count(pairs):\n    for kv in pairs:\n        kv.get('a')\n",
        "def get(settings):\n    return settings.names.get('a')\n",
    ),
)
