"""WK103: file access while a request is served."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Function, Module, last_name
from worker_kit.check.rule import Rule

_PATH_METHODS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob", "unlink"})
_MODULES = ("shutil.", "tempfile.", "aiofiles.")
_CALLS = frozenset({"io.open", "os.open", "os.listdir", "os.scandir", "os.walk", "os.makedirs", "os.mkdir", "os.remove"})


def _find(module: Module) -> Iterator[ast.AST]:
    for call in module.calls():
        function = module.function_of(call)
        if function is not None and _touches_files(module, call) and not _runs_at_import(module, function):
            yield call


def _touches_files(module: Module, call: ast.Call) -> bool:
    name = module.dotted(call.func)
    if module.is_builtin(call.func, "open") or name in _CALLS or name.startswith(_MODULES):
        return True
    if not isinstance(call.func, ast.Attribute) or isinstance(module.parents[call], ast.Await):
        return False  # what is awaited is no `pathlib.Path`
    if call.func.attr == "open":
        sources = module.sources(call.func.value)
        return any(isinstance(made, ast.Call) and module.dotted(made.func) == "pathlib.Path" for made in sources)
    return call.func.attr in _PATH_METHODS


def _runs_at_import(module: Module, function: Function) -> bool:
    """A function that only the module level calls has done its reading before the first request."""
    callers = [call for call in module.calls() if last_name(call.func) == function.name]
    return bool(callers) and all(module.function_of(call) is None for call in callers)


RULE = Rule(
    code="WK103",
    sentence="a Worker has no files of yours while it serves: only its modules, and a memory disk that is lost",
    mend="read it at module level so that it goes with the code, or keep it in KV, D1 or an assets binding",
    find=_find,
    bad=(
        "import json\n\ndef load():\n    with open('config.json') as file:  # bad\n        return json.load(file)\n",
        "from pathlib import Path\n\ndef load():\n    return Path('a').read_text()  # bad\n",
        "from pathlib import Path\n\ndef load():\n    path = Path('a')\n    return path.open()  # bad\n",
        "import tempfile\n\nasync def keep():\n    return tempfile.mkdtemp()  # bad\n",
    ),
    good=(
        "from pathlib import Path\nPAGE = Path(__file__).with_name('page.html').read_text()\n",
        "def _load():\n    with open('a') as file:\n        return file.read()\n\nDATA = _load()\n",
        "async def body(upload):\n    return await upload.read_bytes()\n",
        "def view(door):\n    return door.open()\n",
        "def open(name):\n    return name\n\ndef view():\n    return open('a')\n",
    ),
)
