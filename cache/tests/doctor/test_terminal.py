"""What a person sees of findings: on terminals narrow and wide, without colours, and through a pipe."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

MEND = "Ask your people, then: export DRYDOCK_CORPORATE_CA=/a/path/that/is/longer/than/what/a/narrow/terminal/has/in/a/line/company.pem"
WHAT = "TLS is signed by somebody whom nobody here trusts: the CA of a company, as a rule, or of whoever else listens."
EVIDENCE = "assets.example: [signed] by a name" + 40 * "-long" + ", whose certificate is missing"
SHOW = f"""
from drydock_cache import terminal
terminal.findings([
    ("fail", "proxy", "certificates", "assets.example", {WHAT!r}, {EVIDENCE!r}, {MEND!r}),
    ("ok", "host", "settings", "environment", "The settings can be read.", "", ""),
])
"""


def shown(columns: int, **environment: str) -> str:
    """Return what a terminal of so many columns gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environment}
    subprocess.run([sys.executable, "-c", SHOW], env=env, stdin=theirs, stdout=theirs, stderr=theirs, check=True, timeout=30)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # a terminal whose other side is gone
        while piece := os.read(ours, 1 << 16):
            text += piece
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 140])
def test_a_terminal_shows_a_command_in_one_piece_and_cuts_nothing_off(columns: int) -> None:
    """What mends it can be copied as it is, however narrow the terminal; everything else stays within it."""
    raw = shown(columns)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", raw).splitlines()
    (mend,) = [line for line in lines if "mend" in line]
    assert mend.endswith(MEND)
    others = [line for line in lines if line is not mend]
    assert max(map(len, others)) <= columns
    assert all(line == line.rstrip() for line in lines), lines
    words = "".join("".join(others).split())
    for text in (
        WHAT,
        EVIDENCE,
        "certificates: assets.example",
        "from proxy",
        "settings: environment: The settings can be read.",
    ):
        assert "".join(text.split()) in words
    assert re.search(r"\x1b\[[0-9;]*31m *fail", raw)


def test_colours_are_off_where_nobody_wants_them() -> None:
    """NO_COLOR says so; and what is piped on has none, nor lines that are broken."""
    assert not re.search(r"\x1b\[[0-9;]*3\d", shown(80, NO_COLOR="1"))
    piped = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, timeout=30).stdout
    assert "\x1b" not in piped
    assert piped.splitlines()[1:3] == [f"        seen: {EVIDENCE}", f"        mend: {MEND}"]
