"""Run the SDK's patches around the import of the modules they name."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

type Patch = Callable[[ModuleType], AbstractContextManager[None]]

AROUND: dict[str, Patch] = {}


def register_exec_patch(name: str) -> Callable[[Patch], Patch]:
    """Enter the decorated context manager while the module `name` is executed."""

    def register(patch: Patch) -> Patch:
        AROUND[name] = patch
        return patch

    return register


register_create_patch = register_exec_patch


def register_after_snapshot(_name: str) -> Callable[[Any], Any]:
    """Leave the function alone: there are no snapshots here."""
    return lambda function: function


register_before_first_request = register_after_snapshot


def block_calls(_module: ModuleType, *, allowlist: Sequence[str] = ()) -> None:
    """Block nothing; the blocks are for randomness while a Worker starts."""
    del allowlist


class PatchedLoader(Loader):
    """A module's own loader, with a patch around its execution."""

    def __init__(self, loader: Any, patch: Patch) -> None:
        self.loader, self.patch = loader, patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self.loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module within the patch."""
        with self.patch(module):
            self.loader.exec_module(module)


class PatchFinder(MetaPathFinder):
    """Find a patched module where the others find it, and put its patch around it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec with a patched loader, or None for a module without a patch."""
        if name not in AROUND:
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if not isinstance(finder, PatchFinder))
        spec = next(filter(None, others), None)
        if spec is not None:
            spec.loader = PatchedLoader(spec.loader, AROUND[name])
        return spec


sys.meta_path.insert(0, PatchFinder())
