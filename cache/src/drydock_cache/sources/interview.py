"""Run one program in the closed place and report what it asked for: the child process behind asking.py."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from drydock_cache.errors import DrydockError
from drydock_cache.sources.closed_place import closed_place
from drydock_cache.sources.loopback_world import LoopbackWorld
from drydock_cache.sources.question import Question, Transcript
from drydock_cache.sources.throwaway_ca import ThrowawayCA

_KEPT_OUTPUT = 64 * 1024  # bytes; a refusal is one line, a stack trace a few kilobytes


async def run(question: Question, scratch: Path) -> Transcript:
    """Run the program beside a world of our own until it ends, is ready to serve, or its time is over.

    `{control}` in the command becomes the number of a descriptor on which workerd reports that it listens (its option
    --control-fd); anything written there counts as that report.
    """
    for name, text in question.files.items():
        (scratch / name).write_text(text, encoding="utf-8")
    ca = ThrowawayCA(scratch)
    world = LoopbackWorld(ca)
    async with world.running():
        read_end, write_end = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *(part.replace("{control}", str(write_end)) for part in question.command),
            cwd=scratch,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[write_end],
            # A group of its own: the program may be a launcher, and what it launched must end with it.
            start_new_session=True,
            # Nothing of our environment but the way to interpreters: what is in it is none of the program's business.
            env={"PATH": os.environ.get("PATH", os.defpath), "SSL_CERT_FILE": str(ca.certificate)},
        )
        os.close(write_end)
        return await _listen(process, world, read_end, question.seconds)


async def _listen(process: asyncio.subprocess.Process, world: LoopbackWorld, control: int, seconds: float) -> Transcript:
    said = bytearray()

    async def keep_output() -> None:
        assert process.stdout is not None
        while chunk := await process.stdout.read(_KEPT_OUTPUT):
            said.extend(chunk[: _KEPT_OUTPUT - len(said)])

    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_control() -> None:
        # The end of the pipe comes when the program ends; anything before that is the report that it listens.
        if os.read(control, 4096):
            ready.set()
        else:
            loop.remove_reader(control)

    loop.add_reader(control, on_control)
    ended = asyncio.ensure_future(process.wait())
    output = asyncio.ensure_future(keep_output())
    listens = asyncio.ensure_future(ready.wait())
    try:
        await asyncio.wait([ended, listens], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        exit_code = process.returncode if ended.done() else None
    finally:
        listens.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await ended
        # A program that left the group may hold the pipe open; what was printed up to now is enough.
        await asyncio.wait([output], timeout=0.5)
        output.cancel()
        loop.remove_reader(control)
        os.close(control)
    return Transcript(tuple(world.urls), said.decode(errors="replace"), exit_code, ready.is_set())


async def _converse(question: Question, scratch: Path) -> Transcript:
    """Run the program, but no longer than our parent lives or wants: the end of standard input ends it."""
    loop = asyncio.get_running_loop()
    conversation = asyncio.ensure_future(run(question, scratch))

    def end() -> None:
        # Once: the end of a pipe is reported again and again, and would cut the cleaning up short.
        loop.remove_reader(sys.stdin.fileno())
        conversation.cancel()

    loop.add_reader(sys.stdin.fileno(), end)
    loop.add_signal_handler(signal.SIGTERM, end)
    return await conversation


def main(argument: str) -> int:
    """Hold the conversation that `argument` asks for, and print a Transcript, or an error, as JSON."""
    question = Question.from_json(argument)
    answer: dict[str, object]
    try:
        with tempfile.TemporaryDirectory(prefix="drydock-ask-") as folder, closed_place(Path(folder)):
            answer = asdict(asyncio.run(_converse(question, Path(folder))))
    except DrydockError as error:
        answer = {"error": error.message, "remedy": error.remedy}
    except OSError as error:
        # A port of the loopback address that somebody else in this container uses, or a program that cannot be run.
        answer = {"error": f"The runtime cannot be asked: {error}.", "remedy": ""}
    except asyncio.CancelledError:
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
