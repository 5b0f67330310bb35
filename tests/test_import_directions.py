"""Imports go one way: Workers know nothing of drydock, the proxy knows the store, the store knows neither."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# zstd: backports until Python 3.14, the standard library's `compression` from there on.
CACHE = {
    "drydock_cache",
    "httpx",
    "httpcore",
    "h11",
    "typer",
    "rich",
    "cryptography",
    "backports",
    "compression",
    "dukpy",
    "pypac",
}
PROXY = CACHE | {"drydock_proxy", "mitmproxy", "mitmproxy_rs", "aiohttp", "multidict", "OpenSSL"}


def sources(folder: str) -> list[Path]:
    """Return the Python files below a folder that are part of what is shipped."""
    aside = {"tests", "node_modules", ".venv-workers", ".venv", "python_modules", ".wrangler"}
    found = [path for path in sorted((ROOT / folder).rglob("*.py")) if not aside & set(path.relative_to(ROOT).parts)]
    assert found, f"{folder} has no Python files"
    return found


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, top-level package) of each import in a file, also of those inside functions and type checks."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name.partition(".")[0]) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield node.lineno, (node.module or "").partition(".")[0]


def strays(paths: list[Path], allowed: set[str]) -> list[str]:
    known = allowed | sys.stdlib_module_names | {"__future__"}
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imported(path)
        if name not in known
    ]


@pytest.mark.parametrize(("folder", "allowed"), [("cache/src/drydock_cache", CACHE), ("proxy/src/drydock_proxy", PROXY)])
def test_a_package_imports_only_what_lies_below_it(folder: str, allowed: set[str]) -> None:
    """The store knows nothing of mitmproxy and the proxy; both know nothing that their distribution does not name."""
    assert strays(sources(folder), allowed) == []


def test_workers_import_nothing_of_drydock() -> None:
    """A Worker is deployed without this repository: it may import anything but what lies in it."""
    drydocks = {"drydock_cache", "drydock_proxy", "mitmproxy", "tests"}
    assert [(str(path), name) for path in sources("workers") for _, name in imported(path) if name in drydocks] == []


def test_cryptography_stays_with_what_asks_the_runtime_what_signs_and_what_reads_chains() -> None:
    """The certificates of the throw-away world that workerd is asked in, the signatures of export archives, and doctor."""
    users = {
        str(path.relative_to(ROOT / "cache/src/drydock_cache").parent)
        for path in sources("cache/src/drydock_cache")
        if "cryptography" in {name for _, name in imported(path)}
    }
    assert users <= {"sources", "archive", "doctor"}


@pytest.mark.parametrize(
    "line", ["import mitmproxy.http", "from drydock_proxy.tally import Tally", "def f():\n    import aiohttp"]
)
def test_a_stray_import_is_found_wherever_it_stands(tmp_path: Path, line: str) -> None:
    """The check itself sees imports at the top, from, and inside functions."""
    path = ROOT / "cache/src/drydock_cache/errors.py"
    assert strays([path], CACHE) == []
    tree = tmp_path / "stray.py"
    tree.write_text(line)
    assert [name for _, name in imported(tree) if name not in CACHE | sys.stdlib_module_names]
