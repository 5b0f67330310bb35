"""JSON with comments: what wrangler accepts is read, everything else is refused with its line."""

import pytest
from drydock_cache.sources.jsonc import JsoncError, read_jsonc


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ("\ufeff[]", []),
        ('{"a": [1, -2.5e3, true, false, null],}', {"a": [1, -2500.0, True, False, None]}),
        ('// first\n{"a": /* inside */ "b" // after\n, /* */ "c": 1}\n// last', {"a": "b", "c": 1}),
        (
            '{"url": "https://example.com/*not a comment*/", "q": "\\"//\\""}',
            {"url": "https://example.com/*not a comment*/", "q": '"//"'},
        ),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('"\\u00e9"', "é"),
        ("[[], [1,],]", [[], [1]]),
        ("{/***/}", {}),
    ],
)
def test_comments_and_trailing_commas_are_passed_over_and_strings_are_left_alone(text: str, value: object) -> None:
    assert read_jsonc(text).value == value


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("", 1, "expected a value, found the end of the file"),
        ('{\n"a" 1}', 2, 'expected ":" after the key "a", found 1}'),
        ('{\n"a": 1\n"b": 2}', 3, 'expected "," or "}", found "b": 2}'),
        ("{\na: 1}", 2, 'expected a key in double quotes or "}", found a: 1}'),
        ("[1,\n,2]", 2, "expected a value, found ,2]"),
        ('{"a": 1\n', 2, 'expected "," or "}", found the end of the file'),
        ('{"a":\n"b\n"}', 2, "expected a complete string, found this: Invalid control character at"),
        ("\n\n/* open", 3, "expected */ after this /*, found the end of the file"),
        ("{}\n{}", 2, "expected the end of the file, found {}"),
        ("[\n'a']", 2, "expected a value, found 'a']"),
        ("[\n\nTrue]", 3, "expected a value, found True]"),
        ("[" * 5000, 1, "expected at most 100 nested lists and objects, found more"),
    ],
)
def test_what_is_no_jsonc_is_refused_with_its_line_and_what_was_expected(text: str, line: int, sentence: str) -> None:
    with pytest.raises(JsoncError) as refused:
        read_jsonc(text)
    assert (refused.value.line, str(refused.value)) == (line, sentence)


def test_every_value_keeps_its_line() -> None:
    document = read_jsonc('{ // one\n"a": [1,\n2],\n/*\n*/ "b": {"c":\n3}}')
    assert document.lines == {(): 1, ("a",): 2, ("a", 0): 2, ("a", 1): 3, ("b",): 5, ("b", "c"): 6}
