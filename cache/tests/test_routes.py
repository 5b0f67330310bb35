"""Routes: the table of drydock.toml goes before NO_PROXY, that before a PAC script, that before the variables."""

import pytest
from drydock_cache.configuration import proxy_routes
from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import ConfigError
from drydock_cache.policy import Policy
from drydock_cache.routes import AskPac

ONE = CorporateProxy("http", "one.example", 3128)
TWO = CorporateProxy("https", "two.example", 8443)
TABLE = """
[upstream]
private_hosts = ["mirror.example"]

[upstream.routes]
"*" = "http://one.example:3128"
"*.corp.example" = "direct"
"far.corp.example" = ["https://two.example:8443", "http://one.example:3128", "direct"]
"far.corp.example:8080" = "http://one.example:3128"
"""


def policy(text: str) -> Policy:
    return Policy.parse(text, "drydock.toml", tables=("upstream",))


@pytest.mark.parametrize(
    ("host", "port", "hops"),
    [
        ("anything.example", 443, (ONE,)),
        ("10.1.2.3", 443, (ONE,)),
        ("near.corp.example", 443, (None,)),
        ("Near.Corp.Example.", 443, (None,)),
        ("corp.example", 443, (ONE,)),
        ("far.corp.example", 443, (TWO, ONE, None)),
        ("far.corp.example", 8080, (ONE,)),
    ],
)
def test_the_most_exact_line_of_the_table_is_taken(host: str, port: int, hops: tuple[CorporateProxy | None, ...]) -> None:
    """A host before its suffixes before everything; with its port before without."""
    routes = proxy_routes(policy(TABLE), {"HTTPS_PROXY": "http://other.example:1", "NO_PROXY": "*"})
    assert routes.choose("https", host, port) == hops


def test_a_pac_script_is_asked_where_neither_table_nor_no_proxy_decides() -> None:
    """DRYDOCK_PAC goes before the file's own; the variables wait behind it."""
    text = '[upstream]\npac = "http://wpad.example/a.pac"\n[upstream.routes]\n"a.example" = "direct"\n'
    environment = {"HTTPS_PROXY": "http://one.example:3128", "NO_PROXY": "b.example"}
    routes = proxy_routes(policy(text), environment)
    assert routes.choose("https", "a.example", 443) == (None,)
    assert routes.choose("https", "b.example", 443) == (None,)
    assert routes.choose("https", "c.example", 443) is AskPac.ASK_PAC
    assert routes.from_variables("https") == (ONE,)
    assert routes.pac == "http://wpad.example/a.pac"
    assert proxy_routes(policy(text), {**environment, "DRYDOCK_PAC": "/here.pac"}).pac == "/here.pac"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('"a.example" = 1', 'the route "a.example" must be "direct"'),
        ('"a.example" = []', 'the route "a.example" must be "direct"'),
        ('"a.example/x" = "direct"', "has a path"),
        ('"a*" = "direct"', 'has a "\\*" where none may stand'),
        ('"a.example" = "socks5://b.example:1"', "is not a proxy address"),
        ('"a.example" = "http://me:hunter2@b.example:1"', "DRYDOCK_PROXY_CREDENTIALS"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_with_its_place(line: str, complaint: str) -> None:
    """No password is quoted: the file is one that is shared."""
    with pytest.raises(ConfigError, match=complaint) as caught:
        proxy_routes(policy(f"[upstream.routes]\n{line}\n"), {})
    assert "drydock.toml, [upstream.routes]" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ['[upstream]\nroutes = "direct"', "[upstream]\npac = 1", "[upstream]\nunknown = 1"])
def test_a_setting_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"drydock\.toml: .*upstream"):
        proxy_routes(policy(text), {})
