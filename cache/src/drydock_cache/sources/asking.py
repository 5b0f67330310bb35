"""Hold an interview (interview.py) in a process of its own, and see that nothing is left of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from drydock_cache.errors import DrydockError
from drydock_cache.sources.question import Question, Transcript

_GRACE_SECONDS = 5.0


def hold_interview(question: Question) -> Transcript:
    """Run the question's program in the closed place, and return what it asked for and said.

    Takes at most `question.seconds` and a little. No process and no file is left, also when we are killed meanwhile.
    Raises DrydockError when there is no way to close a place off (see closed_place), or the program cannot be run.
    """
    # The package may have been found by other ways than the environment's, which the child does not know.
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complaint:
        child = subprocess.Popen(
            [sys.executable, "-m", "drydock_cache.sources.interview", question.to_json()],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=complaint,
            env={**os.environ, "PYTHONPATH": path},
            # Ctrl-C comes to us alone; the child sees its standard input end, and cleans up.
            start_new_session=True,
        )
        try:
            child.wait(question.seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            raise DrydockError(f"{question.command[0]} could not be asked within {question.seconds:g} s.") from None
        finally:
            _end(child)
        printed.seek(0)
        complaint.seek(0)
        answer_text, fault = printed.read(), complaint.read().decode(errors="replace").strip()
    try:
        answer = json.loads(answer_text)
    except ValueError:
        raise DrydockError(
            f"{question.command[0]} could not be asked: {fault.splitlines()[-1] if fault else 'it said nothing'}"
        ) from None
    if "error" in answer:
        raise DrydockError(answer["error"], answer["remedy"])
    return Transcript(tuple(answer["urls"]), answer["said"], answer["exit_code"], answer["ready"])


def _end(child: subprocess.Popen[bytes]) -> None:
    """See that nothing of the child's group is left, giving it a moment to remove its files."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
