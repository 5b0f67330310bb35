"""WK101: threads and their primitives."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module
from worker_kit.check.rule import Rule

_THREADING = frozenset({"Lock", "RLock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier", "Thread", "Timer"})
_POOLS = ("concurrent.futures.ThreadPoolExecutor", "concurrent.futures.ProcessPoolExecutor", "asyncio.to_thread")


def _find(module: Module) -> Iterator[ast.AST]:
    for call in module.calls():
        package, _, name = module.dotted(call.func).rpartition(".")
        # `field(default_factory=Lock)` makes one too.
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        known = any(_is_primitive(module, made) for made in (call.func, *given))
        pool = f"{package}.{name}" in _POOLS or package == "multiprocessing"
        executor = isinstance(call.func, ast.Attribute) and call.func.attr == "run_in_executor"
        if known or pool or executor:
            yield call


def _is_primitive(module: Module, node: ast.expr) -> bool:
    package, _, name = module.dotted(node).rpartition(".")
    return package == "threading" and name in _THREADING


RULE = Rule(
    code="WK101",
    sentence="a Worker has one thread: another cannot start, and a lock guards nothing",
    mend="remove the lock; await the work instead of handing it to a thread",
    find=_find,
    bad=(
        "import threading\n_lock = threading.Lock()  # bad\n",
        "from threading import Event as Flag, Thread\nready = Flag()  # bad\nThread(target=print).start()  # bad\n",
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor()  # bad\n",
        "async def work(loop):\n    return await loop.run_in_executor(None, print)  # bad\n",
        "import asyncio\n\nasync def work():\n    return await asyncio.to_thread(print)  # bad\n",
        "from dataclasses import dataclass, field\nfrom threading import Lock\n\n@dataclass\nclass State:\n"
        "    lock: Lock = field(default_factory=Lock)  # bad\n",
    ),
    good=(
        "import threading\nlocal = threading.local()\n",
        "class Lock:\n    pass\n\nlock = Lock()\n",
        "import asyncio\nready = asyncio.Event()\n",
        "import threading\nname = threading.current_thread().name\n",
    ),
)
