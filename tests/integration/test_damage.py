"""Blobs that are damaged behind the proxy's back: never wrong bytes, whether upstream can help or not."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import World
from tests.integration.ways import Way, ask

BODY = b"bytes that must be right " * 4000


def flip(blob: Path) -> None:
    """Flip one bit, keeping size and times as they were."""
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)


def cut(blob: Path) -> None:
    """Leave half of it."""
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[: len(BODY) // 2])


def delete(blob: Path) -> None:
    """Remove it."""
    blob.unlink()


@pytest.mark.parametrize("damage", [flip, cut, delete])
def test_a_damaged_blob_is_fetched_again(world: World, damage: Callable[[Path], None]) -> None:
    """The client gets right bytes, and an error when upstream has none any more (F22, F23, F24)."""
    path, body = f"/{damage.__name__}.bin", damage.__name__.encode() + BODY
    target = f"https://assets.example{path}"
    world.upstream.route(path, body)
    ask(world.proxy, Way.SNI, target)
    digest = hashlib.sha256(body).hexdigest()
    blob = world.proxy.store / "blobs" / "sha256" / digest[:2] / digest
    damage(blob)
    assert ask(world.proxy, Way.SNI, target).body == body
    assert world.upstream.count(path) == 2
    damage(blob)
    world.upstream.route(path, b"", "status503")
    away = ask(world.proxy, Way.CONNECT, target)
    assert away.status == 503
    assert away.body != body
