"""The form that wrangler writes on a dry run."""

import json

import pytest
from worker_errors import WorkerError
from worker_form import Module, read_form

METADATA = {"main_module": "main.py", "bindings": [{"name": "KV", "type": "kv_namespace", "namespace_id": "1"}]}


def make(*parts: tuple[str, bytes]) -> bytes:
    """Write a form as RFC 7578 has it; a name with a dot is a file's."""
    body = b""
    for name, content in parts:
        file = f'; filename="{name}"\r\nContent-Type: text/x-python' if "." in name else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--b--"


def test_metadata_and_modules_are_read_byte_for_byte() -> None:
    binary = b"\x00asm\r\n\r\n--\r\nb"
    form = read_form(make(("metadata", json.dumps(METADATA).encode()), ("main.py", b""), ("python_modules/a.so", binary)))
    assert form.modules == (Module("main.py", b""), Module("python_modules/a.so", binary))
    assert [module.size for module in form.modules] == [0, len(binary)]
    assert [binding["name"] for binding in form.bindings] == ["KV"]


@pytest.mark.parametrize("content", [b"", b"no form", make(("metadata", b"{}")), make(("main.py", b"x"))])
def test_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(WorkerError, match="left no upload form"):
        read_form(content)
