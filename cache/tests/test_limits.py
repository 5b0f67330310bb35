"""How large a download may be where no lock says so."""

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.limits import Kind, Limits, read_limits
from drydock_cache.policy import Policy


def limits(text: str) -> Limits:
    """Read the limits from the text of drydock.toml."""
    return read_limits(Policy.parse(text, "drydock.toml", tables=("limits",)))


def test_each_kind_has_a_limit_that_can_be_set() -> None:
    """Without a line each has its own; what is set changes that kind alone."""
    assert limits("") == Limits()
    assert limits('[limits]\nasset = "5G"') == Limits(asset=5 << 30)
    assert limits('[limits]\npage = "1M"\nasset = "700M"') == Limits(asset=700 << 20, page=1 << 20)
    assert limits('[limits]\nupload = "1G"\nrate = "1K"') == Limits(upload=1 << 30, rate=1024)


def test_what_is_no_file_of_upstream_has_a_small_one() -> None:
    """The page that comes with a 404 is passed on, but not for gigabytes; a smaller limit holds for it, too."""
    assert Limits().of(Kind.ASSET, 200) == 2 << 30
    assert Limits().of(Kind.PAGE, 200) == 128 << 20
    assert Limits().of(Kind.ASSET, 404) == Limits().of(Kind.PAGE, 503) == 16 << 20
    assert Limits(page=1 << 20).of(Kind.PAGE, 404) == 1 << 20


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('bundle = "1G"', "cannot have bundle = '1G'. Known are asset, page, upload, rate"),
        ("asset = 5", "cannot have asset = 5"),
        ('asset = "much"', "asset under [limits] 'much' is no size"),
    ],
)
def test_what_cannot_be_meant_is_said(line: str, told: str) -> None:
    """The sentence names the file, the table and the key."""
    with pytest.raises(ConfigError) as caught:
        limits(f"[limits]\n{line}")
    assert told in str(caught.value)
    assert "drydock.toml" in str(caught.value)
