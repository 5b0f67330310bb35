"""Imports in a process of their own: one to be measured, and one that is forked often and killed.

python importer.py measure ARCHIVE STORE            prints the peak of anonymous and shared memory in KiB, once it has imported
python importer.py kill ARCHIVE STORE COUNT SEED    forks an import COUNT times and kills each at a random point
"""

import os
import random
import shutil
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

from drydock_cache.archive.importing import Wanted, import_archive
from drydock_cache.archive.reading import Trust
from drydock_cache.store import Store


def run(archive: Path, root: Path) -> None:
    """Import the archive, whoever signed it."""
    import_archive([archive], root, Wanted(Trust(anybody=True)), lambda _: lambda _: None)


def memory() -> int:
    """Return the anonymous and shared memory of this process in KiB; the page cache of files is not its own."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem"))


def measure(archive: Path, root: Path) -> None:
    """Import once, looking at the memory every 10 ms."""
    done, peak = threading.Event(), [memory()]

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    run(archive, root)
    done.set()
    watcher.join()
    print(peak[0])


def kill(archive: Path, root: Path, count: int, seed: int) -> None:
    """Kill imports into a copy of the store at `root`; print how often it was as before and as after."""
    chance = random.Random(seed)
    scratch = root.with_name("scratch")
    before, after = responses(root), None
    took = []
    outcomes = {"before": 0, "after": 0}
    for number in range(-5, count):
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(root, scratch)
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                run(archive, scratch)
            finally:
                os._exit(0)
        if number < 0:  # whole imports, to learn what they lead to and how long they take
            os.waitpid(child, 0)
            took.append(time.monotonic() - begun)
            after = responses(scratch)
            assert after != before
            continue
        time.sleep(chance.uniform(0, min(took)))  # the point of the test: anywhere between the first moment and the last
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = responses(scratch)
        assert found in (before, after), f"seed {seed}, kill {number}: neither before nor after"
        outcomes["before" if found == before else "after"] += 1
        run(archive, scratch)
        assert responses(scratch) == after, f"seed {seed}, kill {number}: the next import did not succeed"
        assert not list((scratch / "staging").iterdir()), f"seed {seed}, kill {number}: something is left in staging"
    print(outcomes["before"], outcomes["after"])


def responses(root: Path) -> list[object]:
    """Return every stored response; each blob, named or not, must have the bytes of its name."""
    with closing(Store.open(root)) as store:
        for blob in store.blobs.all():
            store.blobs.open(blob.digest).close()
        assert not list((root / "quarantine").iterdir())
        found: list[object] = []
        for stored in store.responses():
            store.read(stored).close()
            found.append((stored.key, stored.status, stored.headers, stored.blob, stored.response_time))
        return found


if __name__ == "__main__":
    mode, archive, root, *rest = sys.argv[1:]
    if mode == "measure":
        measure(Path(archive), Path(root))
    else:
        kill(Path(archive), Path(root), int(rest[0]), int(rest[1]))
