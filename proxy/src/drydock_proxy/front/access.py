"""Access lines of hits: the same fields as the journal's others, put together from parts that are made once."""

import json
import threading
import time

from drydock_proxy.journal import write_lines

CACHE_STATUS = "drydock; hit"
_GATHER_SECONDS = 0.02


def quoted(text: str) -> str:
    """Return a text as JSON, whatever it holds."""
    return json.dumps(text, ensure_ascii=False).encode(errors="replace").decode()


def line_of(client: str, method: str, url: str, status: int, sent: int, seconds: float = 0.0, cut: str = "") -> str:
    """Return what the line of a hit says behind its time; `client` and `url` are JSON already."""
    end = f', "cut": {quoted(cut)}}}' if cut else "}"
    return (
        f'"level": "info", "event": "request", "client": {client}, "method": "{method}", "url": {url}, "status": {status}, '
        f'"outcome": "hit", "cache_status": "{CACHE_STATUS}", "bytes": {sent}, "ms": {seconds * 1000:.1f}{end}'
    )


class AccessLines:
    """Gathers lines and writes them from a thread of its own: a hit waits for no pipe and no disk."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._some = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access lines", daemon=True)
        self._begin = (0, "")  # the millisecond, and how the lines of it begin

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is there, and end."""
        self._ended.set()
        self._some.set()
        if self._thread.is_alive():
            self._thread.join()
        self._write()

    def note(self, now: float, hit: str) -> None:
        """Add the line of a hit, as `line_of` made it, which ended now."""
        moment = int(now * 1000)
        begun, begin = self._begin
        if moment != begun:
            second, millisecond = divmod(moment, 1000)
            begin = f'{{"time": "{time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))}.{millisecond:03}Z", '
            self._begin = moment, begin
        self._lines.append(begin + hit)
        if not self._some.is_set():
            self._some.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._some.wait()
            self._ended.wait(_GATHER_SECONDS)
            self._some.clear()
            self._write()

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            write_lines(lines)
