"""The runtime view: workerd finds its files by name, and only such bytes as the sums beside them name."""

import os
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.runtime_view import SUMS, view_names

from cache.tests.conftest import OpenStore
from cache.tests.disks import read_only
from cache.tests.processes import ready
from cache.tests.test_store import put

BUNDLE = "https://bundles.example/pyodide_0.26.0a2_2024-03-01_3.capnp.bin"
STDLIB = "https://bundles.example/x/python-package-bucket/20240829.4/hashlib-1.0.0.tar.gz"


@pytest.mark.parametrize(
    ("url", "names"),
    [
        (BUNDLE, ("pyodide_0.26.0a2_2024-03-01_3.capnp.bin",)),
        (BUNDLE + "?x=1", ("pyodide_0.26.0a2_2024-03-01_3.capnp.bin",)),
        (STDLIB, ("python-package-bucket/20240829.4/hashlib-1.0.0.tar.gz", "hashlib-1.0.0.tar.gz")),
        ("https://bundles.example/hashlib-1.0.0.tar.gz", ()),
        ("https://bundles.example/pyodide_1.capnp.bin/other", ()),
        ("https://bundles.example/SHA256SUMS", ()),
    ],
)
def test_what_workerd_reads_has_the_names_that_it_looks_for(url: str, names: tuple[str, ...]) -> None:
    assert view_names(url) == names


def sums(root: Path) -> dict[str, str]:
    return {
        name: digest
        for digest, _, name in (line.partition("  ") for line in (root / "runtime" / SUMS).read_text().splitlines())
    }


def test_a_bundle_appears_as_a_link_with_its_sum(tmp_path: Path, open_store: OpenStore) -> None:
    """No second copy, and a file that the Workers' users can read."""
    store = open_store(tmp_path)
    stored = put(store, BUNDLE, b"bundle")
    put(store, STDLIB, b"stdlib")
    put(store, "https://bundles.example/other", b"other")
    put(store, "https://bundles.example/pyodide_404.capnp.bin", b"not found", status=404)
    shown = tmp_path / "runtime" / view_names(BUNDLE)[0]
    assert shown.samefile(store.blobs.path(stored.blob.digest))
    assert sums(tmp_path) == {
        view_names(BUNDLE)[0]: Digest.of(b"bundle").hex,
        **dict.fromkeys(view_names(STDLIB), Digest.of(b"stdlib").hex),
    }
    assert (tmp_path / "runtime" / SUMS).stat().st_mode & 0o777 == 0o644
    assert shown.stat().st_mode & 0o777 == 0o444


def test_a_bundle_that_was_damaged_and_fetched_again_is_shown_again(tmp_path: Path, open_store: OpenStore) -> None:
    """F22: the same name and sum, another file."""
    store = open_store(tmp_path)
    stored = put(store, BUNDLE, b"bundle")
    shown = tmp_path / "runtime" / view_names(BUNDLE)[0]
    shown.chmod(0o644)
    shown.write_bytes(b"broken")
    with pytest.raises(Exception, match="is damaged"):
        store.read(stored)
    put(store, BUNDLE, b"bundle")
    assert shown.read_bytes() == b"bundle"


@pytest.mark.parametrize("loss", ["link", "sums", "all", "garbage"])
def test_a_start_repairs_the_view(tmp_path: Path, loss: str, open_store: OpenStore) -> None:
    """Also what a crash left half made."""
    store = open_store(tmp_path)
    put(store, BUNDLE, b"bundle")
    store.close()
    runtime = tmp_path / "runtime"
    name = view_names(BUNDLE)[0]
    (runtime / f".{name}.new").write_bytes(b"half")
    if loss in ("link", "all"):
        (runtime / name).unlink()
    if loss in ("sums", "all"):
        (runtime / SUMS).unlink()
    if loss == "garbage":
        (runtime / SUMS).write_bytes(b"\xff\n\nnonsense\n")
    open_store(tmp_path).close()
    assert (runtime / name).read_bytes() == b"bundle"
    assert sums(tmp_path)[name] == Digest.of(b"bundle").hex


def test_a_view_that_is_right_is_not_written(tmp_path: Path, open_store: OpenStore) -> None:
    """So a store on a read-only disk needs nothing."""
    store = open_store(tmp_path)
    put(store, BUNDLE, b"bundle")
    before = (tmp_path / "runtime" / SUMS).stat()
    with read_only(tmp_path):
        store._view.add(store.responses())
    assert (tmp_path / "runtime" / SUMS).stat().st_ino == before.st_ino


def test_two_responses_of_one_name_do_not_make_every_start_write(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path)
    put(store, BUNDLE, b"one")
    put(store, BUNDLE.replace("bundles", "mirror"), b"two")
    store.close()
    open_store(tmp_path).close()
    before = (tmp_path / "runtime" / SUMS).stat().st_ino
    open_store(tmp_path).close()
    assert (tmp_path / "runtime" / SUMS).stat().st_ino == before
    assert (tmp_path / "runtime" / view_names(BUNDLE)[0]).read_bytes() == b"two"


def test_two_processes_that_add_at_once_lose_no_sum(tmp_path: Path, open_store: OpenStore) -> None:
    """F34: the proxy and `drydock warm` commit at the same time."""
    code = """
    store = Store.open(root)
    print("ready", flush=True)
    for number in range(15):
        put(store, f"https://bundles.example/pyodide_theirs{number}.capnp.bin", str(number).encode())
    print("done", flush=True)
    time.sleep(60)
    """
    store = open_store(tmp_path)
    with ready(code, tmp_path) as process:
        for number in range(15):
            put(store, f"https://bundles.example/pyodide_mine{number}.capnp.bin", os.urandom(8))
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
    assert len(sums(tmp_path)) == 30
