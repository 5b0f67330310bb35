"""Both entries answer with the same routes, whatever form the runtime's objects have."""

import re
from pathlib import Path

from hello.exchange import from_js

HELLO = Path(__file__).parents[1]
ENTRIES = (HELLO / "src/entry.py", HELLO.parents[1] / "tests/e2e/workers/hello-2024/src/entry.py")


class Headers:
    """JavaScript's Headers: names in any case, null where one is missing."""

    def get(self, name: str) -> str | None:
        return "text/plain" if name.lower() == "content-type" else None


class JsRequest:
    """What both runtimes hand over, as far as an entry looks at it."""

    method = "POST"
    url = "http://127.0.0.1:8786/form?x=/counter#y"
    headers = Headers()

    async def text(self) -> str:
        return "body"


async def test_a_javascript_request_becomes_plain_values() -> None:
    request = from_js(JsRequest())
    assert (request.method, request.path) == ("POST", "/form")
    assert (request.headers("content-type"), request.headers("content-length")) == ("text/plain", "")
    assert await request.text() == "body"


def test_both_entries_hand_over_to_the_same_routes() -> None:
    imports = [set(re.findall(r"^from (hello\.\w+) import", entry.read_text(), re.MULTILINE)) for entry in ENTRIES]
    assert imports == [{"hello.exchange", "hello.routes"}] * 2


def test_nothing_below_hello_imports_the_runtime() -> None:
    sources = "\n".join(file.read_text() for file in (HELLO / "src/hello").glob("*.py"))
    assert not re.findall(r"^\s*(?:from|import) (?:js|workers)\b.*", sources, re.MULTILINE)
