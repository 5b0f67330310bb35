"""Other processes that use a store, to be killed or to race: a few lines of Python each."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREAMBLE = """
import sys, time
from pathlib import Path
from drydock_cache.blobs import BlobStore
from drydock_cache.digest import Digest
from drydock_cache.index import Expected, Index, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store

def response(url, blob):
    return StoredResponse(CacheKey(url), 200, (), blob, 1.0, 2.0)

def put(store, url, body):
    stage = store.stage()
    stage.write(body)
    return store.commit(stage, lambda blob: response(url, blob))

root = Path(sys.argv[1])
"""


def start(code: str, root: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start Python on `code`, which finds `root`, `put` and the store's classes there."""
    command = [sys.executable, "-c", _PREAMBLE + textwrap.dedent(code), str(root), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def ready(code: str, root: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start Python on `code` and wait for its first line; it is killed at the end, as by a crash."""
    process = start(code, root)
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        try:
            line = process.stdout.readline()
            assert line == "ready\n", line + process.stderr.read()
            yield process
        finally:
            process.kill()


def run_all(code: str, root: Path, count: int) -> list[str]:
    """Run `code` in several processes at once, each told its number, and return what they printed; all must succeed."""
    running = [start(code, root, str(number)) for number in range(count)]
    printed = []
    for process in running:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        printed.append(output)
    return printed
