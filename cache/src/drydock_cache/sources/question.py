"""What an interview is asked for and what comes of it, as the two processes that hold one pass it between them."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Question:
    """A program to run: arguments, the files to lay into its working directory, and how long it may take in seconds."""

    command: tuple[str, ...]
    files: dict[str, str]
    seconds: float

    @classmethod
    def from_json(cls, text: str) -> "Question":
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(tuple(fields["command"]), fields["files"], fields["seconds"])

    def to_json(self) -> str:
        """Write the question as one argument of a command line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Transcript:
    """What came of it: the URLs asked for, what was printed, and how it ended.

    `exit_code` is None when the program was ended by us: because it was ready to serve (`ready`), or out of time.
    """

    urls: tuple[str, ...]
    said: str
    exit_code: int | None
    ready: bool
