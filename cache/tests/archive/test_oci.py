"""An export as an OCI layout: a registry that is not ours carries it there and back, by a client that is not ours."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from drydock_cache.archive.contents import read_inventory
from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.oci import ARTIFACT_TYPE, LAYER_TYPE, LayoutWriter
from drydock_cache.digest import Digest

from cache.tests.archive.conftest import Refuse, Sides, rows


@pytest.fixture
def layout(sides: Sides) -> Path:
    """The near store as an OCI layout of several layers."""
    sides.export(output=LayoutWriter(sides.folder / "layout", 1_000_000))
    return sides.folder / "layout"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Debian's docker-registry, on a port of its own; gives host:port."""
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed; the test image has it, elsewhere: apt-get install docker-registry skopeo"
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    configuration = tmp_path / "registry.yml"
    configuration.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path / 'registry'}}}}}\nhttp: {{addr: '{host}'}}\n"
    )
    log = (tmp_path / "registry.log").open("wb")
    with log, subprocess.Popen([program, "serve", configuration], stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    urllib.request.urlopen(f"http://{host}/v2/", timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None, (tmp_path / "registry.log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            yield host
        finally:
            process.terminate()


def skopeo(*arguments: str, home: Path) -> str:
    done = subprocess.run(
        ["skopeo", "--insecure-policy", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_registry_carries_it_byte_for_byte(sides: Sides, layout: Path, registry: str, tmp_path: Path) -> None:
    """Pushed and pulled with skopeo; what comes out of the registry is imported like the archive itself."""
    skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{registry}/team/drydock:v1", home=tmp_path)
    pulled = tmp_path / "pulled"
    skopeo("copy", "--src-tls-verify=false", f"docker://{registry}/team/drydock:v1", f"oci:{pulled}:v1", home=tmp_path)
    layers = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry}/team/drydock:v1", home=tmp_path))
    assert {layer["mediaType"] for layer in layers["layers"]} == {LAYER_TYPE}
    assert layers["artifactType"] == ARTIFACT_TYPE
    sides.take(pulled)
    assert rows(sides.far) == rows(sides.near)


def test_the_layers_are_the_parts_of_the_archive(sides: Sides, layout: Path) -> None:
    """One format, one reader, one signature: the layout adds nothing that would have to be trusted."""
    (whole,) = sides.export("whole")
    index = json.loads((layout / "index.json").read_bytes())
    (entry,) = index["manifests"]
    manifest = json.loads((layout / "blobs" / "sha256" / Digest.parse(entry["digest"]).hex).read_bytes())
    layers = [(layout / "blobs" / "sha256" / Digest.parse(layer["digest"]).hex).read_bytes() for layer in manifest["layers"]]
    assert b"".join(layers) == whole.path.read_bytes()
    assert [layer["size"] for layer in manifest["layers"]] == [len(layer) for layer in layers]
    for path in (layout / "blobs" / "sha256").iterdir():
        assert Digest.of(path.read_bytes()).hex == path.name
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert read_inventory(layout) == read_inventory(whole.path)


def test_without_a_size_there_is_one_layer(sides: Sides) -> None:
    sides.export(output=LayoutWriter(sides.folder / "one"))
    sides.take(sides.folder / "one")
    assert rows(sides.far) == rows(sides.near)
    with pytest.raises(ArchiveError, match="is there already"):
        LayoutWriter(sides.folder / "one")


def test_one_that_failed_leaves_nothing(sides: Sides) -> None:
    next(path for path in (sides.near / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 1000).chmod(0o644)
    large = next(path for path in (sides.near / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 1000)
    large.write_bytes(bytes(large.stat().st_size))
    before = sorted(path.name for path in sides.folder.iterdir())
    with pytest.raises(Exception, match="damaged"):
        sides.export(output=LayoutWriter(sides.folder / "layout"))
    assert sorted(path.name for path in sides.folder.iterdir()) == before


def test_layouts_that_are_none(sides: Sides, layout: Path, refuse: Refuse) -> None:
    """Each says what is wrong with it; a layer that was changed is found by the signature inside."""
    index, manifest = layout / "index.json", json.loads((layout / "index.json").read_bytes())

    def write(document: object) -> None:
        index.write_text(json.dumps(document))

    for document, reason in (
        ([], "no JSON object"),
        ({}, "manifests is missing"),
        ({"manifests": []}, "holds 0 images"),
        ({"manifests": manifest["manifests"] * 2}, "holds 2 images"),
        ({"manifests": [{"digest": "sha256:../../x", "mediaType": "x"}]}, "entry without digest or type"),
        ({"manifests": [5]}, "entry without digest or type"),
        ({"manifests": [{"digest": "sha256:" + "0" * 64, "mediaType": "x"}]}, "cannot be read"),
        ({"manifests": [manifest["manifests"][0] | {"digest": str(Digest.of(b"{}"))}]}, "layers is missing"),
    ):
        write(document)
        assert reason in refuse(layout)
    index.write_bytes(b" " * (5 << 20))
    assert "larger than" in refuse(layout)
    index.write_bytes(b"[" * 100_000)
    assert "no JSON object" in refuse(layout)
    image = json.dumps(
        {"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": str(Digest.of(b"{}"))}]}
    ).encode()
    (layout / "blobs" / "sha256" / Digest.of(image).hex).write_bytes(image)
    write({"manifests": [{"digest": str(Digest.of(image)), "mediaType": "x"}]})
    assert "no export of drydock" in refuse(layout)
    write(manifest)
    largest = max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(bytes(largest.stat().st_size))
    assert "The archive is refused" in refuse(layout)
