"""Importing without what is never used: libraries whose packages import all their parts cost half of the start.

aiohttp imports its client, which reads every certificate of the system; httpx imports a command line with colours; mitmproxy
imports every addon there is, a web framework and an LDAP client among them, QUIC and HTTP/3, which no listener of ours speaks, and
readers of YAML and of commands. Import this module before any of them.
"""

import importlib
import sys
from importlib.machinery import PathFinder
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import mitmproxy

_NEVER_HERE = ("mitmproxy.proxy.layers.quic", "mitmproxy.proxy.layers.http._http3")
_SELDOM: dict[str, tuple[str, ...]] = {"ruamel.yaml": (), "pyparsing": (), "mitmproxy.command_lexer": ("quote", "unquote")}

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


def _only_a_folder(name: str) -> ModuleType:
    """Return a package that gives the module that is asked for, and no other."""
    package = ModuleType(name)
    package.__path__ = [str(Path(folder) / name.rpartition(".")[2]) for folder in mitmproxy.__path__]
    return package


def _never(name: str) -> ModuleType:
    """Return a module all of whose classes are there, and cannot be used."""
    module = ModuleType(name)

    def refuse(self: object, *_values: object, **_named: object) -> None:
        raise NotImplementedError(f"{type(self).__name__} is not loaded: no listener of drydock speaks QUIC.")

    def made(wanted: str) -> type:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        found = type(wanted, (), {"__init__": refuse})
        setattr(module, wanted, found)
        return found

    module.__getattr__ = made  # type: ignore[method-assign]
    return module


def _seldom(name: str, functions: tuple[str, ...]) -> ModuleType:
    """Return a module that imports the one in whose place it is once something of it is used; of `functions`, once one is called."""
    module = ModuleType(name)

    def used(wanted: str) -> Any:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        if sys.modules[name] is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), wanted)

    def called(function: str) -> object:
        return lambda *values: used(function)(*values)

    module.__getattr__ = used  # type: ignore[method-assign]
    for function in functions:
        setattr(module, function, called(function))
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(importlib.import_module(parent), child, module)
    return module


sys.modules.setdefault("mitmproxy.addons", _only_a_folder("mitmproxy.addons"))
for _name in _NEVER_HERE:
    sys.modules.setdefault(_name, _never(_name))
for _name, _functions in _SELDOM.items():
    if _name not in sys.modules:
        sys.modules[_name] = _seldom(_name, _functions)
