"""What px is told in the profile corporate-auth: a pure function of the environment and of the file of logins."""

import pytest
from auth_settings import px_settings, served
from drydock_cache.errors import ConfigError
from drydock_cache.proxy_logins import parse_logins

PROXY = {"HTTPS_PROXY": "http://proxy.example:8080"}


def test_px_logs_in_where_the_usual_variable_says() -> None:
    """The domain is part of the user; px tries Digest and NTLM, never Basic, and waits 30 s after a refusal."""
    told = px_settings(PROXY, parse_logins("CORP\\me:se:cret", "login"))
    assert told["PX_SERVER"] == "proxy.example:8080"
    assert (told["PX_USERNAME"], told["PX_PASSWORD"]) == ("CORP\\me", "se:cret")
    assert (told["PX_AUTH"], told["PX_AUTHRETRY"]) == ("SAFENONEGOTIATE", "30")


@pytest.mark.parametrize(
    ("logins", "user"),
    [
        ("me:a\nproxy.example=other:b\n", "other"),
        ("proxy.example=other:b\nme:a\n", "other"),
        ("elsewhere.example=other:b\nme:a\n", "me"),
    ],
)
def test_the_line_of_the_proxys_host_goes_before_the_one_for_all(logins: str, user: str) -> None:
    assert px_settings(PROXY, parse_logins(logins, "login"))["PX_USERNAME"] == user


def test_a_login_in_the_url_counts_where_the_file_has_none() -> None:
    """As people have it from other tools, with a backslash and a colon written with %."""
    told = px_settings({"HTTPS_PROXY": "http://CORP%5Cme:se%3Acret@proxy.example:8080"}, ())
    assert (told["PX_USERNAME"], told["PX_PASSWORD"]) == ("CORP\\me", "se:cret")


def test_a_pac_script_names_the_proxy_where_no_variable_does() -> None:
    """The only login of the file is for whatever it names."""
    told = px_settings({"DRYDOCK_PAC": "http://wpad.example/x.pac"}, parse_logins("proxy.example=me:a", "login"))
    assert (told["PX_PAC"], told["PX_USERNAME"]) == ("http://wpad.example/x.pac", "me")
    assert "PX_SERVER" not in told


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"DRYDOCK_KERBEROS": "/run/drydock/kerberos"}, "NEGOTIATE"),
        ({"DRYDOCK_PROXY_AUTH": "Negotiate"}, "NEGOTIATE"),
        ({"DRYDOCK_KERBEROS": "/run/drydock/kerberos", "DRYDOCK_PROXY_AUTH": "ntlm"}, "NTLM"),
    ],
)
def test_px_is_told_of_no_password_where_kerberos_logs_in(settings: dict[str, str], kind: str) -> None:
    """The folder of a ticket is enough; what is asked for by name goes before it."""
    told = px_settings(PROXY | settings, parse_logins("me@CORP.EXAMPLE:a", "login"))
    assert told["PX_AUTH"] == kind
    assert ("PX_PASSWORD" in told) is (kind == "NTLM")


@pytest.mark.parametrize(
    ("environment", "logins", "complaint"),
    [
        ({}, "me:a", "no proxy to log in at"),
        ({"HTTPS_PROXY": "https://proxy.example"}, "me:a", "spoken to by TLS"),
        (PROXY, "", "no user and password at all"),
        (PROXY, "elsewhere.example=me:a", "no user and password for proxy.example"),
        (PROXY | {"DRYDOCK_PROXY_AUTH": "basic"}, "me:a", "DRYDOCK_PROXY_AUTH is 'basic'"),
        (PROXY | {"DRYDOCK_PROXY_AUTH": "negotiate"}, "", "no user and password at all"),
        (PROXY | {"DRYDOCK_PROXY_AUTH": "negotiate"}, "CORP\\me:a", "has no realm"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence_with_a_remedy(
    environment: dict[str, str], logins: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        px_settings(environment, parse_logins(logins, "login"))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("interface", "gateway", "ranges"),
    [
        ("172.18.0.3/255.255.0.0", "172.18.0.1", ["172.18.0.0-172.18.0.0", "172.18.0.2-172.18.255.255"]),
        ("10.0.0.9/24", "10.9.9.9", ["10.0.0.0-10.0.0.255"]),
    ],
)
def test_everybody_of_the_network_but_the_host_is_served(interface: str, gateway: str, ranges: list[str]) -> None:
    assert served(interface, gateway) == ",".join(["127.0.0.1", *ranges])
