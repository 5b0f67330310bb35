"""WK106: headers handed to JavaScript as a Python dictionary."""

import ast
from collections.abc import Iterator

from worker_kit.check.fetches import is_dict, option, option_calls
from worker_kit.check.module import Module
from worker_kit.check.rule import Rule


def _find(module: Module) -> Iterator[ast.AST]:
    for call in option_calls(module):
        if any(is_dict(module, value) for value in option(module, call, "headers")):
            yield call
    for call in module.calls():
        if module.dotted(call.func) == "js.Headers.new" and call.args and is_dict(module, call.args[0]):
            yield call


RULE = Rule(
    code="WK106",
    sentence="headers as a Python dictionary are no headers to JavaScript: the call raises TypeError",
    mend="convert the whole options with worker_kit.interop.to_js, or give js.Headers.new(headers.items())",
    find=_find,
    bad=(
        "from js import fetch\n\nasync def get(url):\n    return await fetch(url, headers={'accept': 'a/b'})  # bad\n",
        "from js import Object, fetch\n\nasync def get(url):\n    raw = {'method': 'GET', 'headers': {'accept': 'a/b'}}\n"
        "    return await fetch(url, Object.fromEntries([[k, v] for k, v in raw.items()]))  # bad\n",
        "from js import Object, fetch\n\nasync def get(url):\n    headers = {'accept': 'a/b'}\n"
        "    return await fetch(url, Object.fromEntries([['headers', headers]]))  # bad\n",
        "import js\nheaders = js.Headers.new({'accept': 'a/b'})  # bad\n",
    ),
    good=(
        "import js\n\nasync def get(url):\n    headers = {'accept': 'a/b'}\n"
        "    return await js.fetch(url, headers=js.Headers.new(headers.items()))\n",
        "import js\n\nasync def get(url, pairs):\n    pairs = pairs.items()\n    pairs = [pair for pair in pairs.items()]\n"
        "    options = [pair for pair in pairs]\n    options = options.items()\n    return await js.fetch(url, options)\n",
        "import httpx\n\nasync def get(url):\n    return await httpx.AsyncClient().get(url, headers={'accept': 'a/b'})\n",
    ),
)
