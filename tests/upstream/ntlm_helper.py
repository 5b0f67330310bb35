"""Checks NTLM for Squid, in place of a domain's controller: `ntlm_helper.py FILE`, which holds user:password.

Squid writes YR for a handshake's first message and KK for its last one; the answer is TT with a challenge, AF with the user who
is right, or NA. A changed file counts at the next handshake.
"""

import base64
import os
import sys
import tempfile
from pathlib import Path

import spnego
from spnego.exceptions import SpnegoError


def main() -> None:
    """Answer Squid's lines until there are no more."""
    known = Path(sys.argv[1])
    with tempfile.NamedTemporaryFile("w") as users:
        os.environ["NTLM_USER_FILE"] = users.name
        context = None
        for line in sys.stdin:
            word, _, token = line.strip().partition(" ")
            if word == "YR":
                users.seek(0)
                users.truncate()
                users.write(f"CORP:{known.read_text()}")
                users.flush()
                context = spnego.server(protocol="ntlm")
            print(_answer(context, token) if context is not None else "BH a last message without a first one", flush=True)


def _answer(context: spnego.ContextProxy, token: str) -> str:
    try:
        challenge = context.step(base64.b64decode(token))
    except (SpnegoError, ValueError) as error:
        return f"NA {type(error).__name__}"
    if challenge is not None:
        return f"TT {base64.b64encode(challenge).decode()}"
    return f"AF {str(context.client_principal).rpartition(chr(92))[2]}"


if __name__ == "__main__":
    main()
