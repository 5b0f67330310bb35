"""WK111: os.environ read where nothing fills it."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module
from worker_kit.check.rule import Rule


def _find(module: Module) -> Iterator[ast.AST]:
    if _fills(module):
        return
    yield from (node for node in module.nodes if _reads(module, node))


def _reads(module: Module, node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return module.dotted(node.func) in {"os.getenv", "os.environ.get"}
    if isinstance(node, ast.Compare):
        return any(module.dotted(side) == "os.environ" for side in node.comparators)
    return isinstance(node, ast.Subscript) and module.dotted(node.value) == "os.environ"


def _fills(module: Module) -> bool:
    """Tell whether the file itself copies the Worker's variables into the environment."""
    for node in module.nodes:
        if isinstance(node, ast.Call):
            name = module.dotted(node.func)
            if name in {"os.environ.update", "os.environ.setdefault"} or name.rpartition(".")[2] == "apply_worker_env":
                return True
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and module.dotted(node.value) == "os.environ":
            return True
    return False


RULE = Rule(
    code="WK111",
    sentence="a Worker's variables and secrets are in env, not in os.environ",
    mend="declare a field of WorkerSettings and read it with WorkerSettings.from_env(env)",
    find=_find,
    bad=(
        "import os\nKEY = os.environ.get('API_KEY')  # bad\n",
        "from os import environ, getenv\nKEY = environ['API_KEY']  # bad\nOTHER = getenv('OTHER')  # bad\n",
        "import os\nDEBUG = 'DEBUG' in os.environ  # bad\n",
    ),
    good=(
        "import os\nfrom runtime import apply_worker_env\n\ndef key(env):\n"
        "    apply_worker_env(env)\n    return os.environ['API_KEY']\n",
        "import os\n\ndef key(env):\n    os.environ['API_KEY'] = env.API_KEY\n    return os.environ['API_KEY']\n",
        "environ = {}\nvalue = environ.get('a')\n",
    ),
)
