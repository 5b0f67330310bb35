"""Build the tree of files that the internet container serves: WWW/HOST/PATH, and redirects.json beside the hosts.

To add a file, put it where build() does; to add a redirect, name it in REDIRECTS.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

from tests.internet.extract_bundle import extract

BUNDLE = "pyodide.runtime-playground.workers.dev/pyodide-capnp-bin/pyodide_0.26.0a2_2024-03-01_3.capnp.bin"
BUNDLE_SHA256 = "279535a63d4a799fbb23ddbae9cad04dca50ac1fc91aa4a9d71ca32b65657d48"

# GitHub sends a release's downloads on to a host for blobs, under a URL that is signed anew each time.
RELEASE = "github.com/pyodide/pyodide/releases/download/314.0.7/xbuildenv-314.0.7.tar.gz"
RELEASE_BLOB = "release-assets.githubusercontent.com/github-production-release-asset/pyodide/xbuildenv-314.0.7.tar.gz"
REDIRECTS = {RELEASE: f"https://{RELEASE_BLOB}?sig="}

# Files of npm's pyodide that a Python under Node needs.
PYODIDE = ("package.json", "pyodide-lock.json", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide.mjs", "python_stdlib.zip")
# Where uv looks for the interpreter inside the archive.
DIST = "xbuildenv/pyodide-root/dist"


def cross_build_environment(pyodide: Path) -> bytes:
    """Return xbuildenv-*.tar.gz, as far as uv uses it: Pyodide, and a `python` that runs it."""
    here = Path(__file__).parent
    members = {name: pyodide / name for name in PYODIDE}
    members |= {"python": here / "python.sh", "python.mjs": here / "python.mjs"}
    archive = io.BytesIO()
    # mtime=0: the same bytes whenever it is built
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, source in members.items():
            member = tarfile.TarInfo(f"{DIST}/{name}")
            member.size = source.stat().st_size
            member.mode = 0o755 if name == "python" else 0o644
            with source.open("rb") as content:
                tar.addfile(member, content)
    return archive.getvalue()


def put(www: Path, place: str, content: bytes) -> None:
    """Write a file of the tree."""
    path = www / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def build(modules: Path, www: Path) -> None:
    """Fill `www` from the npm packages in `modules`."""
    bundle = extract((modules / "@cloudflare/workerd-linux-64/bin/workerd").read_bytes())
    found = hashlib.sha256(bundle).hexdigest()
    if found != BUNDLE_SHA256:
        raise SystemExit(
            f"{BUNDLE}: expected sha256 {BUNDLE_SHA256}, found {found} in the workerd of tests/internet/package.json"
        )
    put(www, BUNDLE, bundle)
    put(www, RELEASE_BLOB, cross_build_environment(modules / "pyodide"))
    put(www, "redirects.json", json.dumps(REDIRECTS).encode())


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
