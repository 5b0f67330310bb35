"""The corporate proxy: read from the usual variables, its password in no text, its exceptions honoured."""

import base64

import pytest
from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import ConfigError
from drydock_cache.routes import ProxyRoutes

PROXY = CorporateProxy("http", "proxy.example", 3128)


@pytest.mark.parametrize(
    ("text", "url", "credentials"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("https://Proxy.Example", "https://proxy.example:443", None),
        ("http://proxy.example/", "http://proxy.example:80", None),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128", None),
        ("http://user:pass@proxy.example:3128", "http://proxy.example:3128", "user:pass"),
        ("http://DOM%5Cuser:p%40s%3As%23@proxy.example:3128", "http://proxy.example:3128", "DOM\\user:p@s:s#"),
        ("http://user@proxy.example:3128", "http://proxy.example:3128", "user:"),
    ],
)
def test_a_proxy_url_is_read_with_its_credentials_apart(text: str, url: str, credentials: str | None) -> None:
    proxy = CorporateProxy.parse(text, "HTTPS_PROXY")
    assert proxy.url == url
    expected = "Basic " + base64.b64encode(credentials.encode()).decode() if credentials else None
    assert proxy.authorization == expected
    assert "pass" not in repr(proxy)
    assert "Basic" not in repr(proxy)


@pytest.mark.parametrize(
    "text",
    [
        "socks5://user:hunter2@proxy.example:1080",
        "http://",
        "http://user:hunter2@proxy.example:port",
        "http://user:hunter2#x@proxy.example:3128",
        "http://user:hunter2/x@proxy.example:3128",
        "http://user:12#hunter2@proxy.example:3128",
        "http://user:12/hunter2@proxy.example:3128",
        "http://user:12?hunter2@proxy.example:3128",
        "http://[fd00::1",
    ],
)
def test_what_is_no_proxy_is_refused_without_its_password(text: str) -> None:
    """A password with a bare `#` or `/` is half taken for a host: that is said, and no half of it is shown."""
    with pytest.raises(ConfigError, match="HTTPS_PROXY is not a proxy address") as caught:
        CorporateProxy.parse(text, "HTTPS_PROXY")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "https", "http"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY, None),
        ({"http_proxy": "proxy.example:3128"}, None, PROXY),
        ({"ALL_PROXY": "proxy.example:3128"}, PROXY, PROXY),
        ({"HTTPS_PROXY": "wrong.example:1", "https_proxy": "proxy.example:3128"}, PROXY, None),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "proxy.example:3128"}, PROXY, PROXY),
    ],
)
def test_the_usual_variables_choose_the_proxy(
    environment: dict[str, str], https: CorporateProxy | None, http: CorporateProxy | None
) -> None:
    routes = ProxyRoutes.from_environment(environment)
    assert routes.choose("https", "assets.example", 443) == (https,)
    assert routes.choose("http", "assets.example", 80) == (http,)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("*", "assets.example", 443, True),
        ("assets.example", "assets.example", 443, True),
        ("assets.example", "Assets.Example.", 443, True),
        ("assets.example", "sub.assets.example", 443, True),
        ("assets.example", "notassets.example", 443, False),
        (".assets.example", "sub.assets.example", 443, True),
        ("*.assets.example", "sub.assets.example", 443, True),
        ("other, assets.example", "assets.example", 443, True),
        ("other assets.example", "assets.example", 443, True),
        ("assets.example:8443", "assets.example", 443, False),
        ("assets.example:443", "assets.example", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:443", "10.1.2.3", 8443, False),
        ("fd00::/8", "fd00::1", 443, True),
        ("[fd00::1]:443", "fd00::1", 443, True),
        ("[fd00::1]:443", "fd00::1", 80, False),
        ("fd00::1", "[fd00::1]", 443, True),
        ("", "assets.example", 443, False),
        (".", "assets.example", 443, False),
    ],
)
def test_no_proxy_names_who_is_reached_directly(no_proxy: str, host: str, port: int, direct: bool) -> None:
    routes = ProxyRoutes.from_environment({"https_proxy": "proxy.example:3128", "no_proxy": no_proxy})
    assert (routes.choose("https", host, port) == (None,)) == direct
