"""Admission: which networks are served, and who may give commands."""

import os
from pathlib import Path

import pytest
from drydock_cache.errors import ConfigError
from drydock_proxy.addons.admit_clients import AdmitClients
from drydock_proxy.admission import DEFAULT_NETWORKS, Admission, parse_networks, read_token
from mitmproxy.test.tflow import tclient_conn

TOKEN = "0123456789abcdef0123"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("address", "served"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("10.213.77.5", True), ("172.18.0.1", True),
        ("192.168.1.9", True), ("fd00::5", True), ("fe80::1%eth0", True), ("::ffff:10.0.0.1", True),
        ("8.8.8.8", False), ("::ffff:8.8.8.8", False), ("2001:db8::1", False), ("172.32.0.1", False), ("100.64.0.1", False),
        ("", False), ("unix", False),
    ],
)  # fmt: skip
def test_by_default_no_stranger_is_served(address: str, served: bool) -> None:
    """F41: loopback and private networks alone, mapped addresses included."""
    assert Admission().admits(address) is served


@pytest.mark.parametrize(
    ("address", "served"),
    [
        ("10.20.3.4", True),
        ("192.0.2.7", True),
        ("10.21.0.1", False),
        ("192.168.1.9", False),
        ("127.0.0.1", True),
        ("::1", True),
    ],
)
def test_named_networks_take_the_place_of_the_default(address: str, served: bool) -> None:
    """Loopback stays: a proxy that its own machine cannot ask is of no use."""
    assert Admission(parse_networks(["10.20.0.0/16", "192.0.2.7"])).admits(address) is served


@pytest.mark.parametrize("text", ["10.20.0.1/16", "corp.example", "10.20.0.0/33", ""])
def test_what_is_no_network_is_refused_at_the_start(text: str) -> None:
    """A network with host bits set is most often a mistake, and serves more than was meant."""
    with pytest.raises(ConfigError, match="is no network") as error:
        parse_networks([text])
    assert "--allow-client 10.20.0.0/16" in error.value.remedy


def test_a_connection_of_a_stranger_is_closed_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """mitmproxy closes a connection that carries an error before it reads from it."""
    caplog.set_level("INFO")
    addon = AdmitClients(Admission(parse_networks(DEFAULT_NETWORKS)))
    for address, refused in (("10.0.0.9", False), ("8.8.8.8", True), ("8.8.8.8", True), ("::ffff:8.8.4.4", True)):
        client = tclient_conn()
        client.peername = (address, 4711)
        client.error = None
        addon.client_connected(client)
        assert bool(client.error) is refused
    said = [vars(record) for record in caplog.records if vars(record).get("event") == "refused"]
    assert [line["client"] for line in said] == ["8.8.8.8", "::ffff:8.8.4.4"]
    assert said[0]["mend"] == "Start the proxy with --allow-client 8.8.8.8"


def test_many_strangers_fill_no_memory() -> None:
    addon = AdmitClients(Admission())
    client = tclient_conn()
    for number in range(3000):
        client.peername = (f"8.8.{number // 250}.{number % 250}", 1)
        addon.client_connected(client)
    assert len(addon._refusing._seldom._said) <= 1000


def test_without_a_token_only_this_machine_gives_commands() -> None:
    admission = Admission()
    assert admission.refusal_of_command("127.0.0.1", JSON) == ""
    assert admission.refusal_of_command("::ffff:127.0.0.1", JSON) == ""
    assert "--token-file" in admission.refusal_of_command("10.213.77.5", JSON)
    assert admission.refusal_of_command("", JSON)


def test_with_a_token_everybody_needs_it() -> None:
    """This machine too: other users of it are strangers."""
    admission = Admission(token=TOKEN)
    assert admission.refusal_of_command("10.1.2.3", {**JSON, "Authorization": f"Bearer {TOKEN}"}) == ""
    for given in ("", "Bearer ", f"Bearer {TOKEN}x", "Basic x", "Bearer \udcff"):
        assert "token is wrong" in admission.refusal_of_command("127.0.0.1", {**JSON, "Authorization": given})
    assert TOKEN not in repr(admission)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {**JSON, "Origin": "http://evil.example"}])
def test_a_page_in_a_browser_gives_no_commands(headers: dict[str, str]) -> None:
    """What a form or a script of another site can send without asking is not taken, from this machine or with the token."""
    assert "browser" in Admission().refusal_of_command("127.0.0.1", headers)
    with_token = {**headers, "Authorization": f"Bearer {TOKEN}"}
    assert "browser" in Admission(token=TOKEN).refusal_of_command("127.0.0.1", with_token)


def test_a_token_is_read_from_its_file(tmp_path: Path) -> None:
    """The line end belongs to the file, not to the token."""
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN
    assert read_token(None) == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_token_that_belongs_to_somebody_else_is_told_apart_from_none(tmp_path: Path) -> None:
    """As in a container, whose user is another one than who made the file."""
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0)
    with pytest.raises(ConfigError, match="belongs to another user") as wrong:
        read_token(path)
    assert "chmod 644" in (wrong.value.remedy or "")


@pytest.mark.parametrize(
    "content", [None, b"", b"short", b"sixteen letters and spaces", b"\xff" * 20, b"0123456789abcdef\x00\x01"]
)
def test_a_token_that_is_none_is_refused_at_the_start(content: bytes | None, tmp_path: Path) -> None:
    """And not shown: the sentence names the file, and how to make one."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_token(path)
    assert str(path) in error.value.message
    assert "openssl rand -hex 24" in error.value.remedy
    assert content is None or not content or content.decode("latin-1") not in str(error.value)
