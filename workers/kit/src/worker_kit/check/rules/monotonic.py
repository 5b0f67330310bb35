"""WK112: limits measured with a clock that is each isolate's own."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module
from worker_kit.check.rule import Rule

_CLOCKS = frozenset({"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"})


def _find(module: Module) -> Iterator[ast.AST]:
    """Only a comparison or a value that is kept makes a limit; a difference that is reported is a latency."""
    for call in module.calls():
        if module.dotted(call.func) in _CLOCKS and _decides(module, call):
            yield call


def _decides(module: Module, node: ast.AST) -> bool:
    for parent in module.ancestors(node):
        if isinstance(parent, ast.Compare):
            return True
        if isinstance(parent, ast.Assign):
            return any(_is_kept_or_compared(module, target) for target in parent.targets)
        if isinstance(parent, ast.AnnAssign):
            return _is_kept_or_compared(module, parent.target)
        if isinstance(parent, ast.NamedExpr) and _is_kept_or_compared(module, parent.target):
            return True
        if not isinstance(parent, (ast.BinOp, ast.Call, ast.List, ast.Tuple, ast.Dict, ast.NamedExpr)):
            return False
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr == "append":
            return True
    return False


def _is_kept_or_compared(module: Module, target: ast.expr) -> bool:
    if not isinstance(target, ast.Name):
        return True
    function = module.function_of(target)
    for use in module.own_nodes(function) if function else module.nodes:
        if isinstance(use, ast.Name) and use.id == target.id and isinstance(use.ctx, ast.Load):
            for parent in module.ancestors(use):
                if isinstance(parent, ast.Compare):
                    return True
                if isinstance(parent, ast.Assign) and any(not isinstance(kept, ast.Name) for kept in parent.targets):
                    return True
                if not isinstance(parent, ast.BinOp):
                    break
    return False


RULE = Rule(
    code="WK112",
    sentence="a monotonic clock starts anew in each isolate, so a limit kept by it holds nowhere else",
    mend="count in KV or D1 with datetime.now(UTC), as worker_kit.middleware.RateLimit does",
    find=_find,
    bad=(
        "import time\n\ndef allowed(last):\n    return time.monotonic() - last > 60  # bad\n",
        "import time\n\nclass Limit:\n    def hit(self):\n        self.last = time.monotonic()  # bad\n",
        "import time\n\nclass Limit:\n    def hit(self):\n        self.last: float = time.monotonic()  # bad\n",
        "import time\n\ndef hit(hits, key):\n    hits[key] = {'at': time.monotonic()}  # bad\n",
        "import time\n\ndef allowed(last):\n    return (now := time.monotonic()) - last > 60, now  # bad\n",
        "from time import monotonic\n\ndef hit(hits, key):\n    now = monotonic()  # bad\n    hits[key] = now\n",
        "import time\n\ndef hit(hits):\n    hits.append(time.monotonic())  # bad\n",
        "import time\n\nstate = {}\nstate['started'] = time.monotonic()  # bad\n",
        "import time\n\ndef hit(state):\n    now = time.monotonic()  # bad\n    print(now)\n    return [now] if now > state else []\n",
        "import time\n\ndef allowed(last):\n    now = time.perf_counter()  # bad\n    return now - last > 60\n",
    ),
    good=(
        "import time\n\nasync def probe(run):\n    started = time.monotonic()\n    await run()\n"
        "    latency = (time.monotonic() - started) * 1000\n    return round(latency)\n",
        "from datetime import UTC, datetime\n\ndef expired(until):\n    return datetime.now(UTC) > until\n",
        "import time\n\nasync def wait(run):\n    await run(until=time.monotonic())\n    print(-time.monotonic())\n",
        "import time\n\ndef now():\n    return time.monotonic()\n",
        "import time\n\ndef probe(run):\n    started: float = time.monotonic()\n    run()\n"
        "    print((end := time.monotonic()) - started)\n    return {'latency': end - started}\n",
    ),
)
