"""The journal: one JSON line on standard output for each request, tunnel, refusal and event, with no secret in any."""

import json
import logging
import re
import sys
import time
from typing import TextIO

from drydock_cache.errors import mask_credentials

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)\?([^\s#\"'<>]*)")
_access = logging.getLogger("drydock.access")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time (UTC), level, message, and what `extra` added."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {"time": f"{moment}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        added = {name: value for name, value in vars(record).items() if name not in _STANDARD and value not in (None, "")}
        line |= {name: without_secrets(value) if isinstance(value, str) else value for name, value in added.items()}
        if message := record.getMessage():
            line["message"] = without_secrets(message)
        if record.exc_info:
            line["trace"] = without_secrets(self.formatException(record.exc_info))
        text = json.dumps(line, ensure_ascii=False, default=lambda value: without_secrets(str(value)))
        return text.encode(errors="replace").decode()  # what clients send need not be Unicode


def start_journal(stream: TextIO = sys.stdout, level: int = logging.INFO) -> None:
    """Send all logging to `stream` as JSON lines; of the libraries only warnings and worse."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
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


def without_secrets(text: str) -> str:
    """Return a text as the journal shows it: URLs without credentials, their queries' values hidden: they may be signatures."""
    return _QUERY.sub(_hidden, mask_credentials(text))


def _hidden(match: re.Match[str]) -> str:
    names = (pair.partition("=")[0] + ("=…" if "=" in pair else "") for pair in match[2].split("&"))
    return f"{match[1]}?{'&'.join(names)}"
