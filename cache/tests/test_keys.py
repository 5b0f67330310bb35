"""Cache keys: one spelling for one thing, and none for what could name another thing to somebody else."""

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.keys import normalise_url


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://Assets.Example/A", "https://assets.example/A"),
        ("https://assets.example:443/", "https://assets.example/"),
        ("https://assets.example:0443/", "https://assets.example/"),
        ("https://assets.example:/", "https://assets.example/"),
        ("http://assets.example:80", "http://assets.example/"),
        ("http://assets.example:443/", "http://assets.example:443/"),
        ("https://assets.example:8443/a", "https://assets.example:8443/a"),
        ("https://assets.example./a#part", "https://assets.example/a"),
        ("https://assets.example/a?b=1&a=2#x", "https://assets.example/a?b=1&a=2"),
        ("https://assets.example/@scope%2fname", "https://assets.example/@scope%2fname"),
        ("https://assets.example/@scope%2Fname", "https://assets.example/@scope%2Fname"),
        ("https://assets.example//a/", "https://assets.example//a/"),
        ("https://[::1]:8443/a", "https://[::1]:8443/a"),
        ("https://assets.example/a..b/.c", "https://assets.example/a..b/.c"),
    ],
)
def test_one_thing_has_one_spelling(url: str, normal: str) -> None:
    """F43: case, default port, trailing dot and fragment do not count; path and query do."""
    assert normalise_url(url) == normal
    assert normalise_url(normal) == normal


@pytest.mark.parametrize(
    "url",
    [
        "assets.example/a",
        "ftp://assets.example/a",
        "file:///etc/passwd",
        "https:///a",
        "https://./a",
        "https://assets.example:99999/",
        "https://assets.example:x/",
        "https://[::1/",
        "https://user@assets.example/",
        "https://user:pass@assets.example/",
        "https://@assets.example/",
        "https://assets.example/../a",
        "https://assets.example/a/..",
        "https://assets.example/./a",
        "https://assets.example/%2e%2E/a",
        "https://assets.example/.%2e/a",
        "https://assets.example/a%00",
        "https://assets.example/a%0d%0ab",
        "https://assets.example/a%5cb",
        "https://assets.example/a\\b",
        "https://assets.example/a b",
        "https://assets.example/a\nb",
        "https://assets.example/caf\u00e9",
        "https://assets.example/" + "a" * 8192,
        "",
    ],
)
def test_what_could_name_another_thing_is_refused(url: str) -> None:
    """F44: traversal, encoded traps, control characters, length, and credentials, which no message repeats."""
    with pytest.raises(ConfigError) as caught:
        normalise_url(url)
    assert "pass@" not in str(caught.value)
    assert len(str(caught.value)) < 300
