"""Call a Worker's entry as workerd does: the class once a request, its arguments and answer through the SDK's conversion."""

import importlib
from typing import Any

from workers import python_from_rpc, python_to_rpc


def load(name: str) -> type:
    """Import the entry and return its class Default."""
    module = importlib.import_module(name)
    found = getattr(module, "Default", None)
    if not isinstance(found, type):
        raise TypeError(f"the entry {name} has no class Default")
    return found


async def call(entry: type, ctx: Any, env: Any, method: str, *args: Any) -> Any:
    """Make an instance and await one of its handlers; return what JavaScript is to get."""
    instance = entry(ctx, env)
    handler = getattr(instance, method, None)
    if handler is None:
        raise TypeError(f"the class Default has no handler {method}")
    answer = await handler(*(python_from_rpc(arg) for arg in args))
    return getattr(answer, "js_object", None) or python_to_rpc(answer)
