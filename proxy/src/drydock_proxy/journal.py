"""The journal: one JSON line on standard output for each request, tunnel, refusal and event, with no secret in any."""

import json
import logging
import sys
import time
from typing import TextIO
from urllib.parse import urlsplit

from drydock_cache.errors import mask_credentials

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_access = logging.getLogger("drydock.access")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time (UTC), level, message, and what `extra` added."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {"time": f"{moment}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD and value not in (None, "")}
        if message := mask_credentials(record.getMessage()):
            line["message"] = message
        if record.exc_info:
            line["trace"] = mask_credentials(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


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
    """Write one line about a request (`request`), a `tunnel`, a `refused` connection or a `dns` refusal."""
    _access.info("", extra={"event": event, **fields})


def shown_url(url: str) -> str:
    """Return a URL as the journal shows it: without credentials, its query's values hidden, for they may be signatures."""
    parts = urlsplit(url)
    names = "&".join(pair.partition("=")[0] + "=…" for pair in parts.query.split("&")) if parts.query else ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=names, fragment="").geturl()
