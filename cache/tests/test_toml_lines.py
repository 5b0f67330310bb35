"""Line numbers in TOML: keys and strings are found where they stand, and nothing that only looks like them."""

import tomllib

from drydock_cache.toml_lines import top_level_lines

TEXT = """\
# pin = ["comment"]
title = "a # b = [c]"
pin = [
    "one", "two",  # "no" ] = [
    "three",

    'four', # ]
] # end
nested = [
    ["in"],
    ["side"], { key = "inline" },
]
"quoted" = ["q"]
dotted.key = "d"
many = \'\'\'
key = "in a string"
[no.table]
\'\'\'
after = "x"

[table] # "comment"
pin = ["not this one"]
other = "y"

[[list]]
[list.deeper]
"""


def test_every_key_and_string_is_found_on_its_line() -> None:
    """Comments, brackets in strings, nesting and multi-line strings lead nobody astray."""
    tomllib.loads(TEXT)
    assert top_level_lines(TEXT) == {
        "title": [2, 2],
        "pin": [3, 4, 4, 5, 7],
        "nested": [9, 10, 11, 11],
        "quoted": [13, 13],
        "dotted": [14, 14],
        "many": [15, 15],
        "after": [19, 19],
        "table": [21],
        "list": [25],
    }


def test_windows_line_ends_count_once() -> None:
    """CRLF is one line end."""
    assert top_level_lines('a = 1\r\nb = ["x",\r\n"y"]\r\n') == {"a": [1], "b": [2, 2, 3]}
