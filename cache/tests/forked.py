"""Runs drydock's command line again and again, each time in a fork of a process that has everything imported already.

One line of standard input is one run: a JSON list of arguments. It answers with the process id at once, and with the exit
status, or minus the signal, when the run has ended. A kill after some milliseconds meets the command at work, not the import.
"""

import json
import os
import sys

from drydock_cache import cli
from drydock_cache.commands import gc, verify, warm

PRELOADED = (gc, verify, warm)


def main() -> None:
    """Serve runs until standard input ends."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.argv = ["drydock", *json.loads(line)]
            status = 1
            try:
                cli.main()
                status = 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)
        _, state = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(state), flush=True)


if __name__ == "__main__":
    main()
