"""What the processes on one store tell each other about refused logins, so that together they try a password once.

A file beside the store's index, readable by its owner alone: locked by whoever tries, and holding refusals of the last seconds.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

_NAME = "logins"
_MARK_BYTES = 2
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Refusal:
    """When (`time.monotonic`, which counts for the whole machine), by which proxy, with which status."""

    at: float
    proxy: str
    status: str


class LoginNotes:
    """The file in the folder of a store; without one, or where it cannot be used, nothing is told and nothing heard."""

    def __init__(self, store: Path | None) -> None:
        self._path = store / _NAME if store is not None else None

    async def lock(self) -> int | None:
        """Wait until no other process tries a login; return a descriptor whose closing ends the turn, None without one.

        One that was stopped while it tried is waited for without end.
        """
        try:
            descriptor = self._open()  # a file on the store's own disk; in a thread, who is cancelled would leave it open
        except OSError:
            return None
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return descriptor
                await asyncio.sleep(_LOOK_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise

    def refusal(self, account: str) -> Refusal | None:
        """Return when the account was refused last, as far as anybody noted it."""
        return self._read().get(_mark(account))

    def note(self, account: str, refusal: Refusal, kept_seconds: float) -> None:
        """Tell the others of a refusal, and forget those of longer ago."""
        kept = {mark: one for mark, one in self._read().items() if 0 <= refusal.at - one.at < kept_seconds}
        kept[_mark(account)] = refusal
        text = json.dumps({mark: [one.at, one.proxy, one.status] for mark, one in kept.items()})
        with contextlib.suppress(OSError):
            descriptor = self._open()
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, text.encode(), 0)
            finally:
                os.close(descriptor)

    def _open(self) -> int:
        if self._path is None:
            raise FileNotFoundError
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _read(self) -> dict[str, Refusal]:
        if self._path is None:
            return {}
        try:
            return {mark: Refusal(*one) for mark, one in json.loads(self._path.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError):  # not there, empty, or half written
            return {}


def _mark(account: str) -> str:
    """Two bytes of a digest: enough to tell a mended password from the refused one, too little to find either by."""
    return hashlib.sha256(account.encode()).digest()[:_MARK_BYTES].hex()
