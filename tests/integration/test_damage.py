"""Blobs that are damaged behind the proxy's back: never wrong bytes, whoever holds them at hand, whether upstream can help or not."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.test_stored import away
from tests.integration.ways import Way, ask, everything, header, secure
from tests.upstream.scripted import Upstream

SIZES = {"small": 4_000, "large": 400_000}  # from memory by the loop, from disk by a thread
KINDS: dict[str, tuple[str, ...]] = {"whole": (), "head": ("--head",), "range": ("--range", "100-199")}


def flip(blob: Path) -> None:
    """Flip one bit, which leaves the size as it was."""
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.seek(blob.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def cut(blob: Path) -> None:
    """Leave half of it."""
    blob.chmod(0o644)
    os.truncate(blob, blob.stat().st_size // 2)


def delete(blob: Path) -> None:
    """Remove it."""
    blob.unlink()


def blob_of(proxy: RunningProxy, body: bytes) -> Path:
    """Return where the blob of these bytes lies."""
    digest = hashlib.sha256(body).hexdigest()
    return proxy.store / "blobs" / "sha256" / digest[:2] / digest


def selected(kind: str, body: bytes) -> bytes:
    """Return what a request of this kind selects of a body."""
    return {"whole": body, "head": b"", "range": body[100:200]}[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("damage", "asked_before"),
    [
        # asked for twice, the front has it at hand; asked for once, the origin finds the damage and makes a miss of it
        pytest.param(flip, 2, marks=pytest.mark.fault("F22", path="hit")),
        pytest.param(flip, 1, marks=pytest.mark.fault("F22", path="miss")),
        pytest.param(cut, 2, marks=pytest.mark.fault("F23", path="hit")),
        pytest.param(cut, 1, marks=pytest.mark.fault("F23", path="miss")),
        pytest.param(delete, 2, marks=pytest.mark.fault("F24", path="hit")),
        pytest.param(delete, 1, marks=pytest.mark.fault("F24", path="miss")),
    ],
)
def test_a_damaged_blob_is_fetched_again_or_said_to_be_damaged(
    own_world: World, way: Way, damage: Callable[[Path], None], asked_before: int, size: str, kind: str
) -> None:
    """The client gets right bytes, and an error while upstream is away; when that is back, right bytes again."""
    world, path = own_world, f"/{way}/{damage.__name__}-{asked_before}-{size}-{kind}"
    body = (path.encode() * SIZES[size])[: SIZES[size]]
    target = f"https://assets.example{path}"
    world.upstream.route(path, body)

    def damaged() -> None:
        for _ in range(asked_before):
            assert ask(world.proxy, way, target).body == body
        damage(blob_of(world.proxy, body))
        time.sleep(0.02)  # what others do to files counts within a hundredth of a second

    damaged()
    seen = ask(world.proxy, way, target, *KINDS[kind])
    assert (seen.code, seen.status) == (0, 206 if kind == "range" else 200)
    assert seen.body.endswith(selected(kind, body))
    assert "hit" not in header(seen, "Cache-Status")
    assert world.upstream.count(path) == 2
    damaged()
    with away(world):
        for _ in range(2):
            seen = ask(world.proxy, way, target, *KINDS[kind])
            assert seen.status in (502, 504)
            assert body[100:200] not in seen.body
    assert ask(world.proxy, way, target).body == body


def test_what_is_damaged_at_rest_is_found_after_a_restart(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, authority_file: Path
) -> None:
    """Bits that rot without any trace in the file's times are found when the next process opens it."""
    settings: dict[str, Any] = {"resolve": upstream.resolve, "upstream_ca": authority_file}
    bodies = {f"/{way}/{size}": os.urandom(SIZES[size]) for way in Way for size in SIZES}
    proxy = start_proxy('pin = ["assets.example"]', **settings)
    for path, body in bodies.items():
        upstream.route(path, body)
        assert ask(proxy, Way.SNI, f"https://assets.example{path}").body == body
    proxy.stop()
    for body in bodies.values():
        blob = blob_of(proxy, body)
        before = blob.stat()
        flip(blob)
        os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = start_proxy('pin = ["assets.example"]', **settings)
    for path, body in bodies.items():
        assert ask(again, Way(path.split("/")[1]), f"https://assets.example{path}").body == body
        assert upstream.count(path) == 2


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_blob_that_is_damaged_while_it_is_sent_ends_the_answer_visibly(
    own_world: World, way: Way, damage: Callable[[Path], None]
) -> None:
    """What was sent so far was right, and nobody takes it for the whole; the next client gets all of it."""
    world, path = own_world, f"/{way}/{damage.__name__}-while-sent"
    body = os.urandom(1 << 20) * 24
    world.upstream.route(path, body)
    for _ in range(2):
        assert ask(world.proxy, way, f"https://assets.example{path}").body == body
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: assets.example\r\n\r\n".encode())
        received = connection.recv(1000)
        damage(blob_of(world.proxy, body))
        received += everything(connection)
    content = received.partition(b"\r\n\r\n")[2]
    assert len(content) < len(body)
    assert body.startswith(content)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == body
