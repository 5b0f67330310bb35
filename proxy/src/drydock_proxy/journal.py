"""The journal: one JSON line on standard output for each request, tunnel, refusal and event, with no secret in any."""

import contextlib
import json
import logging
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from drydock_cache.errors import mask_credentials

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MINUTE = 60.0
_REMEMBERED = 100
_access = logging.getLogger("drydock.access")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time (UTC), level, message, and what `extra` added."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {"time": f"{moment}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        added = {name: value for name, value in vars(record).items() if name not in _STANDARD and value not in (None, "")}
        line |= {name: mask_credentials(value) if isinstance(value, str) else value for name, value in added.items()}
        if message := record.getMessage():
            line["message"] = mask_credentials(message)
        if record.exc_info:
            line["trace"] = mask_credentials(self.formatException(record.exc_info))
        text = json.dumps(line, ensure_ascii=False, default=lambda value: mask_credentials(str(value)))
        return text.encode(errors="replace").decode()  # what clients send need not be Unicode


class OnceAMinute(logging.Filter):
    """Lets a library say the same thing once a minute: when descriptors run out, asyncio says so a hundred times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is to be written; those of our own always are."""
        if record.name.startswith("drydock"):
            return True
        said = (record.name, record.getMessage(), str(record.exc_info[1]) if record.exc_info else "")
        if record.created - self._said.get(said, 0) < _MINUTE:
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[said] = record.created
        return True


def start_journal(stream: TextIO = sys.stdout, level: int = logging.INFO) -> None:
    """Send all logging to `stream` as JSON lines; of the libraries only warnings and worse."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(OnceAMinute())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("drydock", "drydock_cache", "drydock_proxy"):
        logging.getLogger(name).setLevel(level)
    # mitmproxy warns of each client that leaves in the middle of a handshake, which refused clients do on purpose
    logging.getLogger("mitmproxy").setLevel(logging.ERROR)


def log_access(event: str, **fields: object) -> None:
    """Write one line about a `request`, a `tunnel`, a `refused` connection, a failed `tls` handshake or a `dns` refusal."""
    _access.info("", extra={"event": event, **fields})


def write_lines(lines: Sequence[str]) -> None:
    """Write access lines that are JSON already; like the others, they go nowhere before the journal was started."""
    if not _access.isEnabledFor(logging.INFO):
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, JsonFormatter):
            # as for other lines: a journal that cannot be written, or was closed, ends nothing
            with handler.lock or contextlib.nullcontext(), contextlib.suppress(OSError, ValueError):
                handler.stream.write("\n".join(lines) + "\n")
                handler.flush()
