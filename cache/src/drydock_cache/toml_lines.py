"""Where things stand in a TOML file: tomllib reads values alone, but a good error names the line."""

import re

# Strings and comments are tokens so that what looks like a key or a bracket inside them is passed over.
_TOKEN = re.compile(
    r"""(?P<string>"{3}(?:\\.|[^\\])*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
    r"""|(?P<comment>\#[^\n]*)|(?P<open>[\[{])|(?P<close>[\]}])|(?P<newline>\n)|(?P<word>[\w-]+)""",
    re.DOTALL,
)


def top_level_lines(text: str) -> dict[str, list[int]]:
    """Map each top-level key of a valid TOML text to line numbers: its own first, then one for each string in its value.

    A table gives the line of its header alone; plain keys end with the first table, as they do in TOML.
    """
    lines: dict[str, list[int]] = {}
    values: list[int] = []
    number, depth = 1, 0
    fresh_line, in_table, header = True, False, False
    for token in _TOKEN.finditer(text):
        kind, content = token.lastgroup, token.group()
        if kind == "newline":
            fresh_line = depth == 0
            header = False
        elif kind in {"open", "close"}:
            if fresh_line:
                header = in_table = True
            depth += 1 if kind == "open" else -1
            fresh_line = False
        elif kind in {"word", "string"}:
            name = content.strip("\"'")
            if header:
                lines.setdefault(name, [number])
                header = False
            elif fresh_line and not in_table:
                values = lines.setdefault(name, [number])
            elif kind == "string" and not in_table:
                values.append(number)
            fresh_line = False
        number += content.count("\n")
    return lines
