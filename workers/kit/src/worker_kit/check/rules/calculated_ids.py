"""WK116: an id that was calculated, used where the database's answer is the truth."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module, last_name
from worker_kit.check.rule import Rule

_CREATES = ("create_", "upsert", "get_or_create", "find_or_create", "insert_or_")
_ID_ENDINGS = ("id", "key", "slug")
_HANDS_ON = (ast.Call, ast.keyword, ast.Dict, ast.List, ast.Tuple, ast.Return, ast.FormattedValue)


def _find(module: Module) -> Iterator[ast.AST]:
    for function in module.functions():
        nodes = list(module.own_nodes(function))
        for create in nodes:
            if isinstance(create, ast.Await) and isinstance(create.value, ast.Call) and _creates(create.value):
                for name in _calculated(module, create.value):
                    yield from _uses_after(module, nodes, create, name)


def _creates(call: ast.Call) -> bool:
    name = last_name(call.func)
    return name.startswith(_CREATES) and name != "create_task"


def _calculated(module: Module, create: ast.Call) -> Iterator[str]:
    """Yield the names among a create's arguments that hold a text put together in this function."""
    for given in (*create.args, *(keyword.value for keyword in create.keywords)):
        if isinstance(given, ast.Name) and given.id.lower().endswith(_ID_ENDINGS):
            sources = module.sources(given)
            if any(isinstance(value, (ast.JoinedStr, ast.BinOp)) for value in sources):
                yield given.id


def _uses_after(module: Module, nodes: list[ast.AST], create: ast.Await, name: str) -> Iterator[ast.AST]:
    stored = module.parents[create]
    if isinstance(stored, ast.Assign) and any(last_name(target) == name for target in stored.targets):
        return
    end = (create.end_lineno or create.lineno, create.end_col_offset or 0)
    for node in nodes:
        if isinstance(node, ast.Name) and node.id == name and (node.lineno, node.col_offset) > end:
            if isinstance(node.ctx, ast.Store):
                return  # from here on the name holds something else
            if isinstance(module.parents[node], _HANDS_ON):
                yield node


RULE = Rule(
    code="WK116",
    sentence="a create may return a record that was there before, whose id is not the calculated one",
    mend="use the id of the returned record",
    find=_find,
    bad=(
        "async def login(db, number):\n    user_id = f'github_{number}'\n    await create_user(db, user_id)\n"
        "    return token(user_id)  # bad\n",
        "async def login(db, number):\n    user_id = 'github_' + number\n    user = await users.upsert(id=user_id)\n"
        "    await create_session(db, user=user_id)  # bad\n    return user\n",
        "async def login(db, number):\n    user_id = f'github_{number}'\n    await create_user(db, user_id)\n"
        "    return {'user': user_id}  # bad\n",
    ),
    good=(
        "async def login(db, number):\n    user_id = f'github_{number}'\n    user = await create_user(db, user_id)\n"
        "    actual = user.get('user_id') or user_id\n    return token(actual)\n",
        "async def login(db, number):\n    user_id = f'github_{number}'\n    user_id = await create_user(db, user_id)\n"
        "    return token(user_id)\n",
        "async def login(db, number):\n    user_id = f'github_{number}'\n    user = await create_user(db, user_id)\n"
        "    user_id = user['id']\n    return token(user_id)\n",
        "async def login(db, user_id):\n    await create_user(db, user_id)\n    return token(user_id)\n",
    ),
)
