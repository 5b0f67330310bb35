"""WK114: work awaited after the rest of the application has answered."""

import ast
from collections.abc import Iterable, Iterator

from worker_kit.check.module import FUNCTIONS, Module, last_name
from worker_kit.check.rule import Rule


def _find(module: Module) -> Iterator[ast.AST]:
    for function in module.functions():
        if module.parameter(function, "call_next") is not None:
            walk = _Walk()
            walk.block(function.body, answered=False)
            yield from walk.late


class _Walk:
    """Follow each path through a function and note what is awaited after `call_next`."""

    def __init__(self) -> None:
        self.late: list[ast.AST] = []

    def block(self, body: Iterable[ast.stmt], *, answered: bool) -> bool | None:
        """Return whether the path has answered by the end of the block, None where it does not reach the end."""
        for statement in body:
            after = self.statement(statement, answered)
            if after is None:
                return None
            answered = after
        return answered

    def statement(self, statement: ast.stmt, answered: bool) -> bool | None:
        """Walk one statement: what is evaluated first, then its blocks, each of them a path of its own."""
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            return answered
        if answered and isinstance(statement, (ast.AsyncWith, ast.AsyncFor)):
            self.late.append(statement)
        for child in ast.iter_child_nodes(statement):
            if not isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                answered = self.expression(child, answered)
        match statement:
            case ast.Return() | ast.Raise():
                return None
            case ast.With() | ast.AsyncWith():
                return self.block(statement.body, answered=answered)
            case ast.Try() | ast.TryStar():
                return self.attempt(statement, answered)
            case ast.If():
                ends = [self.block(body, answered=answered) for body in (statement.body, statement.orelse)]
            case ast.For() | ast.AsyncFor() | ast.While():
                ends = [self.block([*statement.body, *statement.orelse], answered=answered), answered]
            case ast.Match():
                ends = [*(self.block(case.body, answered=answered) for case in statement.cases), answered]
            case _:
                return answered
        return _join(ends)

    def attempt(self, statement: ast.Try | ast.TryStar, answered: bool) -> bool | None:
        """Walk a `try`: a handler runs where the answer failed, `finally` also where it was given."""
        end = self.block([*statement.body, *statement.orelse], answered=answered)
        end = _join([end, *(self.block(handler.body, answered=answered) for handler in statement.handlers)])
        answers = any(isinstance(node, ast.Call) and last_name(node.func) == "call_next" for node in ast.walk(statement))
        last = self.block(statement.finalbody, answered=answered or answers)
        return None if end is None or last is None else end

    def expression(self, node: ast.AST, answered: bool) -> bool:
        """Walk one expression in the order it is evaluated, without the functions written inside it."""
        if isinstance(node, ast.Lambda):
            return answered
        for child in ast.iter_child_nodes(node):
            answered = self.expression(child, answered)
        if isinstance(node, ast.Await):
            if isinstance(node.value, ast.Call) and last_name(node.value.func) == "call_next":
                return True
            if answered:
                self.late.append(node)
        return answered


def _join(ends: Iterable[bool | None]) -> bool | None:
    """Return where paths meet again: answered if one of them was, None if none gets there."""
    reached = [end for end in ends if end is not None]
    return any(reached) if reached else None


_MIDDLEWARE = "class M(BaseHTTPMiddleware):\n    async def dispatch(self, request, call_next):\n"

RULE = Rule(
    code="WK114",
    sentence="work awaited after call_next holds the answer back, and broke the answer in older runtimes",
    mend="do it before call_next, or hand it to the request's BackgroundTasks or ctx.waitUntil",
    find=_find,
    bad=(
        _MIDDLEWARE
        + "        try:\n            response = await call_next(request)\n        except* ValueError:\n"
        + "            raise\n        await note()  # bad\n        return response\n",
        _MIDDLEWARE
        + "        response = await call_next(request)\n        await touch(request)  # bad\n        return response\n",
        _MIDDLEWARE + "        response = await call_next(request)\n        if request.state.dirty:\n"
        "            async with session():  # bad\n                pass\n        return response\n",
        _MIDDLEWARE + "        try:\n            return await call_next(request)\n        finally:\n"
        "            await close()  # bad\n",
        _MIDDLEWARE + "        try:\n            response = await call_next(request)\n        except ValueError:\n"
        "            response = await refusal()\n        for name in names:\n            await note(name)  # bad\n"
        "        return response\n",
        _MIDDLEWARE
        + "        match request.method:\n            case 'GET':\n                response = await call_next(request)\n"
        "            case _:\n                raise ValueError\n        with timer():\n            await note()  # bad\n"
        "        return response\n",
    ),
    good=(
        _MIDDLEWARE + "        await touch(request)\n        return await call_next(request)\n",
        _MIDDLEWARE + "        if request.url.path.startswith('/api/'):\n            response = await call_next(request)\n"
        "            return response\n        await touch(request)\n        return await call_next(request)\n",
        _MIDDLEWARE
        + "        response = await call_next(request)\n        response.headers['x-a'] = 'b'\n        return response\n",
        _MIDDLEWARE + "        async def later():\n            await note()\n        response = await call_next(request)\n"
        "        response.background = lambda: later()\n        return response\n",
    ),
)
