"""The journal: JSON lines without secrets, and not the same thing again and again."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from drydock_proxy.journal import log_access, start_journal


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Start a journal and give its lines; the test's own logging is put back afterwards."""

    class Lines(list[dict[str, Any]]):
        def __init__(self, stream: io.StringIO) -> None:
            super().__init__()
            self._stream = stream

        def read(self) -> "Lines":
            self[:] = [json.loads(line) for line in self._stream.getvalue().splitlines()]
            return self

    names = ("", "drydock", "drydock_cache", "drydock_proxy", "mitmproxy")
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).handlers[:]) for name in names}
    stream = io.StringIO()
    start_journal(stream)
    yield Lines(stream)
    for name, (level, handlers) in before.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).handlers[:] = handlers


def test_a_request_is_one_line_with_its_fields(lines: Any) -> None:
    """Fields that say nothing are left out; the time is UTC."""
    log_access("request", url="https://assets.example/a", status=200, bytes=0, error="", cut=None)
    (line,) = lines.read()
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "event": "request", "url": "https://assets.example/a", "status": 200, "bytes": 0}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:5ecret@host.example/a", "https://***@host.example/a"),
        ("GET https://host.example/a?X-Sig=5ecret&b=5ecret failed.", "GET https://host.example/a?… failed."),
    ],
)
def test_no_secret_of_a_url_is_written(lines: Any, text: str, shown: str) -> None:
    """Credentials and queries are hidden in messages, in fields and in traces."""
    log_access("request", url=text)
    logging.getLogger("drydock_proxy").error("%s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("drydock_proxy").exception("it crashed")
    assert "5ecret" not in json.dumps(list(lines.read()))
    assert lines[0]["url"] == lines[1]["message"] == shown


def test_any_bytes_of_a_client_can_be_written(lines: Any) -> None:
    """What is no Unicode, and what would end the line, does not break it."""
    log_access("request", url=b"https://h/\xff\n".decode(errors="surrogateescape"), client=object)
    assert lines.read()[0]["url"] == "https://h/?\n"


def test_libraries_are_heard_when_they_warn_and_once_a_minute(lines: Any) -> None:
    """A library that says the same a hundred times is written once; our own words always are."""
    for _ in range(100):
        logging.getLogger("asyncio").error("no descriptors")
        logging.getLogger("httpx").info("not interesting")
        logging.getLogger("mitmproxy.proxy").warning("a client left")
    for number in range(200):
        logging.getLogger("asyncio").error("number %s", number)
    for _ in range(3):
        logging.getLogger("drydock_cache.fetch").warning("fetch failed")
    messages = [line["message"] for line in lines.read()]
    assert messages.count("no descriptors") == 1
    assert messages.count("fetch failed") == 3
    assert len(messages) == 1 + 200 + 3
