"""WK105: a Python dictionary handed to JavaScript as options."""

import ast
from collections.abc import Iterator

from worker_kit.check.fetches import option_calls, raw_options
from worker_kit.check.module import Module
from worker_kit.check.rule import Rule


def _find(module: Module) -> Iterator[ast.AST]:
    return (call for call in option_calls(module) if raw_options(module, call) is not None)


RULE = Rule(
    code="WK105",
    sentence="JavaScript gets a Python dictionary here, whose nested values it cannot read",
    mend="wrap it in worker_kit.interop.to_js, or call worker_kit.http.request",
    find=_find,
    bad=(
        "from js import fetch\n\nasync def post(url):\n    return await fetch(url, {'method': 'POST'})  # bad\n",
        "import js\n\nasync def post(url):\n    options = dict(method='POST')\n    return await js.fetch(url, options)  # bad\n",
        "from js import Response\n\ndef answer():\n    return Response.new('x', {'status': 201})  # bad\n",
    ),
    good=(
        "from js import fetch\nfrom worker_kit.interop import to_js\n\n"
        "async def post(url):\n    return await fetch(url, to_js({'method': 'POST'}))\n",
        "from js import Object, fetch\n\nasync def post(url):\n    raw = {'method': 'POST'}\n"
        "    return await fetch(url, Object.fromEntries([[k, v] for k, v in raw.items()]))\n",
        "from workers import fetch\n\nasync def get(url):\n    return await fetch(url, {})\n",
    ),
)
