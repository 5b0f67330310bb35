"""The command: python -m new_worker NAME, in the repository's folder."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from new_worker.making import Made, make
from new_worker.refusal import RefusedError
from new_worker.writing import HalfDoneError

FAILED, REFUSED = 1, 2


def told(made: Made) -> str:
    """Say what was made, and what comes next."""
    name = made.name
    return f"""\
made workers/{name.worker} from workers/template: {made.files} files
  compose.yml         service {name.worker} on port {made.port} ({name.variable} moves it), volume {name.volume}, the plan
  docker/gateway.cfg  section {name.worker}
next:
  cp workers/{name.worker}/.dev.vars.example workers/{name.worker}/.dev.vars
  make test ARGS=workers/{name.worker}/tests
  make up
  curl http://127.0.0.1:{made.port}/health
"""


def main(arguments: Sequence[str], root: Path) -> int:
    """Make the Worker that the arguments name, and return the exit status."""
    if len(arguments) > 1:
        print("make new: expected one name; run make new NAME=my-worker", file=sys.stderr)
        return REFUSED
    try:
        made = make(root, arguments[0] if arguments else "")
    except RefusedError as error:
        print(f"make new: {error}", file=sys.stderr)
        return REFUSED
    except HalfDoneError as error:
        print(f"make new: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"make new: {error}; nothing was changed: mend that and try again", file=sys.stderr)
        return FAILED
    print(told(made), end="")
    return 0


def _stop(number: int, _frame: FrameType | None) -> None:
    # An exception, so that what was begun is undone.
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main(sys.argv[1:], Path.cwd()))
