"""Starting and stopping inside this process: settings that cannot work end in a sentence, and leave nothing behind."""

import asyncio
import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from drydock_cache.errors import ConfigError, DrydockError
from drydock_cache.policy import Policy
from drydock_cache.upstream_settings import UpstreamSettings
from drydock_proxy.listener import Listener
from drydock_proxy.service import ServiceSettings, running

ANY = Listener("127.0.0.1", 0)


def settings(tmp_path: Path, **fields: object) -> ServiceSettings:
    """Settings with which a proxy starts, and what a test changes of them."""
    policy = Policy.parse('pin = ["assets.example"]', "drydock.toml")
    usual = ServiceSettings(policy, UpstreamSettings(), tmp_path / "store", tmp_path / "state", ANY, ANY, ANY)
    return dataclasses.replace(usual, **fields)  # type: ignore[arg-type]


async def refused(wanted: ServiceSettings) -> DrydockError:
    """Return the error that keeps the proxy from starting."""
    with pytest.raises(DrydockError) as error:
        async with running(wanted):
            pass
    return error.value


async def test_ports_are_open_inside_and_closed_afterwards(tmp_path: Path) -> None:
    """Every listener has a port of its own that is free again when the context ends."""
    wanted = settings(tmp_path, dns=ANY, dns_answer="10.1.2.3")
    async with running(wanted) as service:
        ports = [service.proxy.port, service.tls.port, service.status.port, service.dns.port if service.dns else 0]
        assert len(set(ports)) == 4
        for port in ports:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
    for port in ports:
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)


async def test_only_tcp_is_listened_on_where_no_names_are_answered(tmp_path: Path) -> None:
    """QUIC is not spoken: the UDP port beside the TLS port stays free."""
    async with running(settings(tmp_path)) as service:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", service.tls.port))


async def test_two_listeners_on_one_port_are_refused(tmp_path: Path) -> None:
    """The sentence says which address they share."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        one = Listener(*probe.getsockname())
    assert str(one) in (await refused(settings(tmp_path, proxy=one, tls=one))).message


@pytest.mark.parametrize("listener", ["proxy", "tls", "status", "dns"])
@pytest.mark.parametrize("port", [0, 1])
async def test_an_address_of_another_machine_is_refused(tmp_path: Path, listener: str, port: int) -> None:
    """The sentence names the address and the option, also where any port would do."""
    fields = {"dns_answer": "10.1.2.3", listener: Listener("192.0.2.1", port)}
    error = await refused(settings(tmp_path, **fields))
    assert f"192.0.2.1:{port} cannot be listened on" in error.message
    option = "--listen" if listener == "proxy" else f"--{listener}-listen"
    assert f"{option} ADDRESS:PORT" in error.remedy


async def test_an_answer_that_is_no_address_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """--dns-answer must be an IPv4 address; neither store nor CA is made for a proxy that cannot start."""
    for text in ("", "proxy", "::1", "10.1.2.256"):
        error = await refused(settings(tmp_path, dns=ANY, dns_answer=text))
        assert "--dns-answer" in error.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [None, b"", b"text", b"\x30\x82\x01\x0a" + bytes(200)], ids=["missing", "empty", "text", "der"]
)
async def test_a_ca_file_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, content: bytes | None) -> None:
    """The sentence names the file."""
    file = tmp_path / "corporate.pem"
    if content is not None:
        file.write_bytes(content)
    error = await refused(settings(tmp_path, upstream=UpstreamSettings(ca_files=(file,))))
    assert isinstance(error, ConfigError)
    assert str(file) in error.message
    assert [entry for entry in tmp_path.iterdir() if entry != file] == []


async def test_the_certificate_is_exported_where_it_is_wanted(tmp_path: Path) -> None:
    """A second file holds the same certificate, readable by all."""
    wanted = tmp_path / "shared" / "ca.pem"
    wanted.parent.mkdir()
    async with running(settings(tmp_path, export_ca=wanted)):
        assert wanted.read_bytes() == (tmp_path / "state" / "ca.pem").read_bytes()
        assert wanted.stat().st_mode & 0o777 == 0o644


async def test_a_failed_start_keeps_the_ca(tmp_path: Path) -> None:
    """The next start finds what an earlier one has made."""
    async with running(settings(tmp_path)):
        made = (tmp_path / "state" / "ca.pem").read_bytes()
    await refused(settings(tmp_path, status=Listener("192.0.2.1", 1)))
    async with running(settings(tmp_path)):
        assert (tmp_path / "state" / "ca.pem").read_bytes() == made


def test_what_is_never_used_is_not_imported() -> None:
    """Neither mitmproxy's web framework and LDAP client nor aiohttp's client is loaded, which would cost half of the start."""
    code = (
        "import sys, drydock_proxy.service;"
        "sys.exit(str({'flask', 'ldap3', 'mitmproxy.addons.proxyauth', 'aiohttp.client', 'click'} & set(sys.modules)))"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}  # compiled where it is installed
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.stderr.strip() == "set()"
