"""Print what a Worker's settings declare, as JSON: python worker_declared.py SOURCES. Runs in the Worker's own environment.

Its settings are the subclasses of worker_kit's WorkerSettings in settings.py, at the top of the sources or in a package there.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def find_settings(sources: Path) -> list[str]:
    """Return the modules of settings that are made with worker_kit, by name."""
    files = [*sources.glob("settings.py"), *sources.glob("*/settings.py")]
    return sorted(
        ".".join(file.relative_to(sources).with_suffix("").parts)
        for file in files
        if "worker_kit" in file.read_text(encoding="utf-8")
    )


def main() -> None:
    """Import the settings and print their declarations."""
    sources = Path(sys.argv[1])
    sys.path.insert(0, str(sources))
    sys.dont_write_bytecode = True
    fields: list[dict[str, Any]] = []
    for name in find_settings(sources):
        module = importlib.import_module(name)
        base: Any = importlib.import_module("worker_kit.settings").WorkerSettings
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == name:
                declared: Any = value
                fields += [
                    {"name": field.env, "kind": field.kind.value, "required": field.required} for field in declared.declared()
                ]
    print(json.dumps(fields))


if __name__ == "__main__":
    main()
