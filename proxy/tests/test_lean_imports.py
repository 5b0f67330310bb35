"""What the proxy imports: nothing that it never uses, and everything else works as if it had been imported whole."""

import subprocess
import sys

_NOT_AT_START = ("aioquic", "ruamel.yaml.main", "pyparsing.core", "ldap3", "flask", "aiohttp.client", "rich.markdown")

_USED_AFTER_ALL = """
import io
import drydock_proxy.service
import mitmproxy.command, mitmproxy.optmanager, mitmproxy.options
from mitmproxy import command_lexer
from mitmproxy.command_lexer import unquote
from mitmproxy.proxy.layers import QuicStreamLayer
text = io.StringIO()
mitmproxy.optmanager.dump_defaults(mitmproxy.options.Options(), text)
assert "confdir" in text.getvalue()
assert list(command_lexer.expr.parse_string("a 'b c'")) == ["a", " ", "'b c'"]
assert unquote("'b c'") == mitmproxy.command.unquote("'b c'") == "b c"
try:
    QuicStreamLayer(None)
except NotImplementedError as error:
    print(error)
"""


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_the_service_imports_nothing_that_it_never_uses() -> None:
    """Each of these was measured to cost more than a hundredth of the start, or some megabytes."""
    found = _python(f"import drydock_proxy.service, sys; print([name for name in {_NOT_AT_START!r} if name in sys.modules])")
    assert found == "[]"


def test_what_waits_works_once_it_is_used_and_what_is_left_out_says_so() -> None:
    """Options can be written as YAML and commands be read; QUIC alone is not there."""
    assert _python(_USED_AFTER_ALL) == "QuicStreamLayer is not loaded: no listener of drydock speaks QUIC."
