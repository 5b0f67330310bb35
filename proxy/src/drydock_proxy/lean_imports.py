"""Importing without what is never used: libraries whose packages import all their parts cost a third of the start.

aiohttp imports its client, which reads every certificate of the system; httpx imports a command line with colours. Import this
module before either.
"""

import importlib
import sys
from importlib.machinery import PathFinder
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

# None makes the import fail, which httpx is prepared for
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def _client_part(name: str) -> object:
    """Return a class that a package in aiohttp's place lacks, should somebody need it after all."""
    if name == name.lower():  # a module, which is imported once this says that there is no attribute of its name
        raise AttributeError(name)
    return getattr(importlib.import_module("aiohttp.client"), name)


if "aiohttp" not in sys.modules and (_found := PathFinder.find_spec("aiohttp")) is not None and _found.origin:
    _package = ModuleType("aiohttp")
    _package.__path__ = [str(Path(_found.origin).parent)]
    _package.__version__ = version("aiohttp")  # type: ignore[attr-defined]
    _package.__getattr__ = _client_part  # type: ignore[method-assign]
    sys.modules["aiohttp"] = _package
