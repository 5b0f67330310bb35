"""WK117: a task that is started and forgotten."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module, last_name
from worker_kit.check.rule import Rule

_STARTS = frozenset({"asyncio.create_task", "asyncio.ensure_future"})


def _find(module: Module) -> Iterator[ast.AST]:
    for call in module.calls():
        of_loop = (
            isinstance(call.func, ast.Attribute) and call.func.attr == "create_task" and "loop" in last_name(call.func.value)
        )
        if (of_loop or module.dotted(call.func) in _STARTS) and _is_forgotten(module, call):
            yield call


def _is_forgotten(module: Module, call: ast.Call) -> bool:
    parent = module.parents[call]
    if isinstance(parent, ast.Expr):
        return True
    if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
        return False
    function, name = module.function_of(parent), parent.targets[0].id
    uses = module.own_nodes(function) if function else module.nodes
    return not any(isinstance(use, ast.Name) and use.id == name and isinstance(use.ctx, ast.Load) for use in uses)


RULE = Rule(
    code="WK117",
    sentence="the runtime may end a request with its tasks unfinished, and nobody sees their errors",
    mend="await it, or hand it to ctx.waitUntil or to the request's BackgroundTasks",
    find=_find,
    bad=(
        "import asyncio\n\nasync def handle():\n    asyncio.create_task(note())  # bad\n",
        "from asyncio import ensure_future\n\nasync def handle():\n    _ = ensure_future(note())  # bad\n",
        "import asyncio\n\nasync def handle():\n    asyncio.get_running_loop()\n    loop = asyncio.get_running_loop()\n"
        "    loop.create_task(note())  # bad\n",
    ),
    good=(
        "import asyncio\n\nasync def handle():\n    task = asyncio.create_task(note())\n    await task\n",
        "import asyncio\n\nasync def handle():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(note())\n",
        "import asyncio\n\nasync def handle(ctx):\n    ctx.waitUntil(asyncio.create_task(note()))\n",
        "import asyncio\n\nasync def handle(self):\n    self.task = asyncio.create_task(note())\n",
    ),
)
