"""WK102: asyncio locks, which end at the isolate."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module
from worker_kit.check.rule import Rule

_LOCKS = frozenset({"asyncio.Lock", "asyncio.Condition", "asyncio.Semaphore", "asyncio.BoundedSemaphore"})


def _find(module: Module) -> Iterator[ast.AST]:
    return (call for call in module.calls() if module.dotted(call.func) in _LOCKS)


RULE = Rule(
    code="WK102",
    sentence="an asyncio lock holds inside one isolate only, while requests run in many",
    mend="keep the state in D1 or KV and let one SQL statement read and write it",
    find=_find,
    bad=(
        "import asyncio\n_lock = asyncio.Lock()  # bad\n",
        "from asyncio import Semaphore\n\ndef limit():\n    return Semaphore(2)  # bad\n",
    ),
    good=("import asyncio\nqueue = asyncio.Queue()\n", "async def hit(store):\n    return await store.increment('page')\n"),
)
