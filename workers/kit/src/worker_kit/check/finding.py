"""One place in one file that a rule objects to, and how it is printed."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """A rule's objection; `line` and `column` count from one."""

    path: str
    line: int
    column: int
    code: str
    sentence: str
    mend: str

    @property
    def message(self) -> str:
        """Return what flake8 prints after the position."""
        return f"{self.code} {self.sentence} ({self.mend})"

    def __str__(self) -> str:
        """Return the line that `worker-kit check` prints."""
        return f"{self.path}:{self.line}:{self.column} {self.message}"
