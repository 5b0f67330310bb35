"""Cache keys: one spelling for one thing, and none for what could name another thing to somebody else."""

from dataclasses import FrozenInstanceError

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.keys import CacheKey, normalise_url


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


def test_a_url_may_have_8_kib_and_not_one_character_more() -> None:
    """What is longer is refused with its length and its beginning, not with all of it."""
    longest = "https://assets.example/" + "x" * (8192 - 23)
    assert normalise_url(longest) == longest
    with pytest.raises(ConfigError) as refused:
        normalise_url(f"{longest}x")
    assert str(refused.value) == f"The URL is 8193 characters long; at most 8192 are accepted: {longest[:80]}…"


def test_keys_are_values() -> None:
    """Equal parts are one key, whose parts nobody changes; they are ordered by URL, then by variant."""
    keys = [CacheKey("https://b.example/"), CacheKey("https://a.example/", "x"), CacheKey("https://a.example/")]
    assert sorted(keys) == keys[::-1]
    assert len({*keys, CacheKey("https://b.example/", "")}) == 3
    with pytest.raises(FrozenInstanceError):
        keys[0].url = "https://c.example/"  # type: ignore[misc]
