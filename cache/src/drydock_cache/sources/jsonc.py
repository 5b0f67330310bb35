"""JSON with comments and trailing commas, read so that every value keeps the line it stands on."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

Place = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRINGS = json.JSONDecoder()
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"[A-Za-z_]\w*")
# Deeper than any configuration, far from the interpreter's own limit.
_DEEPEST = 100


class JsoncError(ValueError):
    """A text that is no JSONC; the message says what was expected and found, `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


@dataclass(frozen=True)
class Document:
    """A value and, for each path of keys and list positions in it, the line on which that part begins."""

    value: object
    lines: dict[Place, int]


def read_jsonc(text: str) -> Document:
    """Read a JSONC text as wrangler does: comments and trailing commas are allowed, the last of equal keys wins."""
    reader = _Reader(text)
    value = reader.value((), 0)
    reader.skip_blank()
    if reader.at < len(text):
        raise reader.wrong("the end of the file")
    return Document(value, reader.lines)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Place, int] = {}

    def wrong(self, expected: str) -> JsoncError:
        found = self.text[self.at : self.at + 20].split("\n")[0].strip()
        if self.text.startswith("/*", self.at):
            return JsoncError(self.line(), "expected */ after this /*, found the end of the file")
        return JsoncError(self.line(), f"expected {expected}, found {found or 'the end of the file'}")

    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def skip_blank(self) -> None:
        blank = _BLANK.match(self.text, self.at)
        assert blank, "the pattern matches the empty text"
        self.at = blank.end()

    def value(self, path: Place, depth: int) -> object:
        self.skip_blank()
        self.lines[path] = self.line()
        if depth > _DEEPEST:
            raise JsoncError(self.line(), f"expected at most {_DEEPEST} nested lists and objects, found more")
        first = self.text[self.at : self.at + 1]
        if first == "{":
            return self.table(path, depth)
        if first == "[":
            return self.items(path, depth)
        if first == '"':
            return self.string("a string")
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            parsed: object = json.loads(number.group())
            return parsed
        word = _WORD.match(self.text, self.at)
        if not word or word.group() not in _WORDS:
            raise self.wrong("a value")
        self.at = word.end()
        return _WORDS[word.group()]

    def string(self, expected: str) -> str:
        if self.text[self.at : self.at + 1] != '"':
            raise self.wrong(expected)
        try:
            content, self.at = _STRINGS.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise JsoncError(error.lineno, f"expected a complete string, found this: {error.msg}") from None
        assert isinstance(content, str)
        return content

    def table(self, path: Place, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}

        def member() -> None:
            key = self.string('a key in double quotes or "}"')
            self.skip_blank()
            if self.text[self.at : self.at + 1] != ":":
                raise self.wrong(f'":" after the key "{key}"')
            self.at += 1
            result[key] = self.value((*path, key), depth + 1)

        self.members("}", member)
        return result

    def items(self, path: Place, depth: int) -> list[object]:
        result: list[object] = []
        self.members("]", lambda: result.append(self.value((*path, len(result)), depth + 1)))
        return result

    def members(self, closing: str, member: Callable[[], None]) -> None:
        """Read members up to the closing bracket; the comma after the last may be there or not."""
        self.at += 1
        while True:
            self.skip_blank()
            if self.text[self.at : self.at + 1] == closing:
                self.at += 1
                return
            member()
            self.skip_blank()
            if self.text[self.at : self.at + 1] == ",":
                self.at += 1
            elif self.text[self.at : self.at + 1] != closing:
                raise self.wrong(f'"," or "{closing}"')
