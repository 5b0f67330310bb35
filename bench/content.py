"""What is served: bodies of random bytes in the origin's folder, known by their digests."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

KB, MB = 1000, 1_000_000
SIZES = {"1k": KB, "100k": 100 * KB, "14m": 14 * MB, "25m": 25 * MB, "100m": 100 * MB}  # 14 MB: a Pyodide bundle


@dataclass(frozen=True)
class Body:
    """A file that the origin has at `path`."""

    path: str
    size: int
    sha256: str


class Content:
    """The origin's folder: one lasting body of each size, and fresh ones that nobody has stored."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self._made = 0
        self._random = os.urandom(MB)
        self.bodies = {name: self._make(f"/{name}", size) for name, size in SIZES.items()}

    def fresh(self, size: int) -> Body:
        """Make a body that no other body equals, so that no store can have it already."""
        self._made += 1
        return self._make(f"/fresh-{self._made}", size)

    def remove(self, body: Body) -> None:
        """Take a body away again."""
        (self.root / body.path[1:]).unlink()

    def _make(self, path: str, size: int) -> Body:
        digest, left = hashlib.sha256(), size
        with (self.root / path[1:]).open("wb") as file:
            piece = os.urandom(min(size, KB)) + self._random
            while left:
                data = piece[:left]
                digest.update(data)
                left -= file.write(data)
        return Body(path, size, digest.hexdigest())
