"""Make the archive that uv takes for Pyodide's Python 3.14 out of the npm package `pyodide`, for machines that reach only npm.

    python tests/e2e/toolchains/xbuildenv.py FOLDER       # writes FOLDER/xbuildenv-314.0.7.tar.gz

uv asks for it at URL, through its proxy settings, and checks no digest there. What uv needs of the real archive is an interpreter
at pyodide-root/dist/python that answers its questions; the launcher beside this file is that, under Node.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "314.0.7"
NAME = f"xbuildenv-{VERSION}.tar.gz"
URL = f"https://github.com/pyodide/pyodide/releases/download/{VERSION}/{NAME}"
ROOT = "xbuildenv/pyodide-root/dist"
WANTED = frozenset(
    {"package.json", "pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip"}
)
LAUNCHER = Path(__file__).with_name("pyodide_launcher.mjs")
# The real path finds the files beside the interpreter, the path as called is the virtual environment that it is called by.
EXECUTABLE = """#!/bin/sh
# Run Pyodide under Node as if it were a Python interpreter.
exec node "$(dirname "$(realpath "$0")")/pyodide_launcher.mjs" "$(realpath -s "$0")" "$@"
"""


def add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """Add one file with nothing of this machine in it, so that the same package makes the same archive."""
    member = tarfile.TarInfo(f"{ROOT}/{name}")
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def build(package: Path, target: Path) -> None:
    """Turn the npm package's tarball into uv's archive; raises ValueError where a file is missing."""
    contents: dict[str, bytes] = {}
    with tarfile.open(package) as source:
        for member in source:
            name = member.name.removeprefix("package/")
            if name in WANTED and (file := source.extractfile(member)):
                contents[name] = file.read()
    if missing := WANTED - contents.keys():
        raise ValueError(f"{package} lacks {', '.join(sorted(missing))}: expected the npm package pyodide {VERSION}")
    # Level 1: it is read once, over a local network.
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        add(archive, "python", EXECUTABLE.encode(), 0o755)
        add(archive, LAUNCHER.name, LAUNCHER.read_bytes())
        for name, content in sorted(contents.items()):
            add(archive, name, content)


def main() -> None:
    """Get the package with the machine's own npm and write the archive."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", f"pyodide@{VERSION}"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        build(next(Path(scratch).glob("pyodide-*.tgz")), folder / NAME)
    print(folder / NAME)


if __name__ == "__main__":
    main()
