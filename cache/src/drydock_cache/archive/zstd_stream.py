"""zstd as export archives use it: one frame, written the same way each time, read in bounded pieces to its exact end."""

import os
import sys
from collections.abc import Callable

from drydock_cache.archive.layout import ArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MAGIC", "CompressedWriter", "DecompressedReader", "zstd"]

_LEVEL = 3
# 8 MiB: what a reader must hold in memory; a frame that asks for more is refused.
_WINDOW_LOG = 23
_PIECE = 1 << 20
MAGIC = b"\x28\xb5\x2f\xfd"


class CompressedWriter:
    """Compresses what is written and hands it on to `sink`.

    The bytes depend on the content and the zstd library alone: its threads divide the work at fixed places, however many.
    """

    def __init__(self, sink: Callable[[bytes], object], threads: int | None = None) -> None:
        most = zstd.CompressionParameter.nb_workers.bounds()[1]
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: _LEVEL,
            zstd.CompressionParameter.window_log: _WINDOW_LOG,
            zstd.CompressionParameter.checksum_flag: 1,
            zstd.CompressionParameter.nb_workers: min(threads or min(4, os.cpu_count() or 1), most),
        }
        self._compressor = zstd.ZstdCompressor(options=options)
        self._sink = sink

        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """Append `data`; it is compressed in pieces of one size, however it comes."""
        self._waiting += data
        while len(self._waiting) >= _PIECE:
            self._compress(bytes(self._waiting[:_PIECE]))
            del self._waiting[:_PIECE]

    def finish(self) -> None:
        """End the frame."""
        self._compress(bytes(self._waiting))
        self._sink(self._compressor.flush(self._compressor.FLUSH_FRAME))

    def _compress(self, data: bytes) -> None:
        if out := self._compressor.compress(data):
            self._sink(out)


class DecompressedReader:
    """Reads one zstd frame from `source`, a function that returns the next bytes or none at the end.

    `missing` says, at a premature end, what is likely to be missing.
    """

    def __init__(self, source: Callable[[int], bytes], missing: Callable[[], str]) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
        self._decompressor = zstd.ZstdDecompressor(options=options)
        self._source = source
        self._missing = missing
        # what was decompressed and not yet asked for: a view, because cutting bytes would copy the rest for each small member
        self._left = memoryview(b"")

    def read(self, count: int) -> bytes:
        """Return between 1 and `count` bytes; raise ArchiveError at the end of the frame, early or not."""
        if not (data := self._take(count)):
            raise ArchiveError("The archive is refused: it ends before its last member.")
        return data

    def read_exactly(self, count: int) -> bytes:
        """Return `count` bytes, of which few are asked for; raise ArchiveError when there are less."""
        pieces = []
        while count:
            pieces.append(self.read(count))
            count -= len(pieces[-1])
        return b"".join(pieces)

    def expect_end(self) -> None:
        """Raise ArchiveError unless everything was read."""
        if self._take(1) or self._decompressor.unused_data or self._source(1):
            raise ArchiveError("The archive is refused: there is something after its end.")

    def _take(self, count: int) -> bytes:
        if self._left:
            data, self._left = bytes(self._left[:count]), self._left[count:]
            return data
        while not self._decompressor.eof:
            data = b""
            if self._decompressor.needs_input and not (data := self._source(_PIECE)):
                raise ArchiveError(f"The archive is refused: it is cut off; {self._missing()}.")
            try:
                out: bytes = self._decompressor.decompress(data, _PIECE)
            except zstd.ZstdError as error:
                raise ArchiveError(f"The archive is refused: it is no zstd file, or damaged ({error}).") from error
            if out:
                self._left = memoryview(out)[count:]
                return out[:count]
        return b""
