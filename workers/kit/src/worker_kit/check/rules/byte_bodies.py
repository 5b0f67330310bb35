"""WK107: Python bytes handed to JavaScript as a body."""

import ast
from collections.abc import Iterator

from worker_kit.check.fetches import option, option_calls
from worker_kit.check.module import Module
from worker_kit.check.rule import Rule


def _find(module: Module) -> Iterator[ast.AST]:
    for call in option_calls(module):
        if any(_is_bytes(module, value) for value in option(module, call, "body")):
            yield call


def _is_bytes(module: Module, node: ast.expr) -> bool:
    for source in module.sources(node):
        if isinstance(source, ast.Constant) and isinstance(source.value, bytes):
            return True
        if isinstance(source, ast.Call):
            encoded = isinstance(source.func, ast.Attribute) and source.func.attr == "encode"
            if encoded or module.is_builtin(source.func, "bytes"):
                return True
    return False


RULE = Rule(
    code="WK107",
    sentence="a body of Python bytes is sent as its repr: the server reads b'…'",
    mend="give text as str (.decode()) and binary through worker_kit.interop.to_js",
    find=_find,
    bad=(
        "from js import fetch\n\nasync def post(url):\n    return await fetch(url, method='POST', body=b'{}')  # bad\n",
        "from js import Object, fetch\nfrom urllib.parse import urlencode\n\nasync def post(url, data):\n"
        "    body = urlencode(data).encode('utf-8')\n    options = Object.fromEntries([['body', body]])\n"
        "    return await fetch(url, options)  # bad\n",
        "import js\n\ndef answer(text):\n    return js.Response.new(text, body=bytes(3))  # bad\n",
    ),
    good=(
        "import js\n\nasync def post(url):\n    return await js.fetch(url, method='POST', body='{}')\n",
        "import js\nfrom worker_kit.interop import to_js\n\nasync def post(url, image):\n"
        "    return await js.fetch(url, method='POST', body=to_js(image))\n",
        "import httpx\n\nasync def post(url):\n    return await httpx.AsyncClient().post(url, content=b'{}')\n",
    ),
)
