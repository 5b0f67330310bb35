"""WK104: SQLite kept in a file."""

import ast
from collections.abc import Iterator

from worker_kit.check.module import Module, argument
from worker_kit.check.rule import Rule

_CONNECT = frozenset({"sqlite3.connect", "aiosqlite.connect"})
_ENGINES = frozenset({"create_engine", "create_async_engine"})


def _find(module: Module) -> Iterator[ast.AST]:
    for call in module.calls():
        name = module.dotted(call.func)
        if name in _CONNECT:
            database = argument(call, 0, "database")
            if not (isinstance(database, ast.Constant) and database.value == ":memory:"):
                yield call
        elif name.rpartition(".")[2] in _ENGINES:
            address = argument(call, 0, "url")
            if (
                isinstance(address, ast.Constant)
                and str(address.value).startswith("sqlite")
                and _names_file(str(address.value))
            ):
                yield call


def _names_file(address: str) -> bool:
    path = address.partition("://")[2]
    return path not in {"", "/", "/:memory:"}


RULE = Rule(
    code="WK104",
    sentence="a SQLite file lives in the isolate's memory and is lost with it",
    mend="use the D1 binding, and answer 503 where it is not configured",
    find=_find,
    bad=(
        "import sqlite3\n\ndef connect():\n    return sqlite3.connect('local.db')  # bad\n",
        "from sqlite3 import connect\n\ndef opened(path):\n    return connect(database=path)  # bad\n",
        "from sqlalchemy import create_engine\nengine = create_engine('sqlite:///local.db')  # bad\n",
    ),
    good=(
        "import sqlite3\ndatabase = sqlite3.connect(':memory:')\n",
        "from sqlalchemy import create_engine\nengine = create_engine('sqlite://')\n",
        "def connect(socket):\n    return socket.connect('a')\n",
    ),
)
