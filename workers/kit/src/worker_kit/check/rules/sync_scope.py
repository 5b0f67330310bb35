"""WK113: a plain `def` dependency that touches the request's scope."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Function, Module, dependency_names, last_name
from worker_kit.check.rule import Rule

_REQUESTS = frozenset({"Request", "HTTPConnection", "WebSocket"})
_ROUTES = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "api_route", "websocket"})


def _find(module: Module) -> Iterator[ast.AST]:
    dependencies = module.project.dependencies | frozenset(dependency_names(module.tree))
    for function in module.functions():
        called = function.name in dependencies or any(_is_route(mark) for mark in function.decorator_list)
        if isinstance(function, ast.FunctionDef) and called and _touches_scope(module, function):
            yield function


def _is_route(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.func.attr in _ROUTES


def _touches_scope(module: Module, function: Function) -> bool:
    declared = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    requests = {argument.arg for argument in declared if _is_request(module, argument)}
    return any(
        isinstance(node, ast.Attribute) and node.attr == "scope" and last_name(node.value) in requests
        for node in module.own_nodes(function)
    )


def _is_request(module: Module, argument: ast.arg) -> bool:
    kind = module.dotted(argument.annotation).rpartition(".")[2]
    return kind in _REQUESTS or (argument.annotation is None and argument.arg == "request")


RULE = Rule(
    code="WK113",
    sentence="FastAPI runs a plain def in a thread, and only a patch in the newest SDK keeps that from being a 500",
    mend="write async def",
    find=_find,
    bad=(
        "from fastapi import Depends, FastAPI, Request\n\napp = FastAPI()\n\n"
        "def settings(request: Request):  # bad\n    return request.scope['env']\n\n"
        "@app.get('/')\nasync def home(found=Depends(settings)):\n    return found\n",
        "from fastapi import APIRouter, Request\n\nrouter = APIRouter()\n\n"
        "@router.get('/')\ndef home(request: Request):  # bad\n    return request.scope['env'].NAME\n",
    ),
    good=(
        "from fastapi import Depends, FastAPI, Request\n\napp = FastAPI()\n\n"
        "async def settings(request: Request):\n    return request.scope['env']\n\n"
        "@app.get('/')\nasync def home(found=Depends(settings)):\n    return found\n",
        "from fastapi import Request\n\ndef env_of(request: Request):\n    return request.scope['env']\n",
        "from fastapi import Depends\n\ndef limit(count: int = 3):\n    return count\n\ndefault = Depends(limit)\n",
    ),
)
