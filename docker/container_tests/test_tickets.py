"""The Kerberos ticket that px logs in with, from a real KDC: where it comes from, how long it lasts, and who may see it."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from auth_settings import krb5_conf
from drydock_cache.errors import ConfigError
from ticket_cache import read_ticket
from tickets import Tickets

from tests.upstream.kerberos import Kdc

type Make = Callable[..., Tickets]


@pytest.fixture
def make(kerberos_folder: Path, kdc: Kdc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the ticket's keeper; what it tells libcurl ends with the test. `login` comes from the file of credentials."""
    monkeypatch.setenv("KRB5CCNAME", "")
    monkeypatch.setenv("KRB5_CONFIG", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/bin")

    def made(host: str = "localhost") -> Tickets:
        credentials = tmp_path / "login"

        def login() -> tuple[str, str]:
            if not credentials.exists():
                raise ConfigError("No password.", "Write one.")
            return kdc.principal, credentials.read_text()

        return Tickets(kerberos_folder, f"{kerberos_folder}/ticket", host, credentials, login)

    return made


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clocks of this process forward; the KDC's and kinit's go on as they are."""

    def waited(seconds: float) -> None:
        wall, steady = time.time() + seconds, time.monotonic() + seconds
        monkeypatch.setattr(time, "time", lambda: wall)
        monkeypatch.setattr(time, "monotonic", lambda: steady)

    return waited


def cache() -> Path:
    """Return the cache that libcurl is told."""
    return Path(os.environ["KRB5CCNAME"].removeprefix("FILE:"))


def readable(file: Path) -> bool:
    """Say whether this test may read a file."""
    try:
        file.read_bytes()
    except PermissionError:
        return False
    return True


def trouble(tickets: Tickets) -> ConfigError:
    """Return what keeps px from logging in; that nothing does is a failure."""
    found = tickets.look()
    assert found is not None
    return found


def test_libcurl_gets_a_cache_of_its_own_with_the_proxys_ticket_in_it(make: Make, kdc: Kdc, kerberos_folder: Path) -> None:
    """Nobody else reads it, kinit's file stays as it was, and libcurl has nothing to ask a KDC for."""
    kdc.kinit(kerberos_folder / "ticket")
    before = (kerberos_folder / "ticket").read_bytes()
    assert make().look() is None
    assert b"HTTP" in cache().read_bytes()
    assert (kerberos_folder / "ticket").read_bytes() == before
    assert stat.S_IMODE(cache().parent.stat().st_mode) == 0o700


def test_a_ticket_for_the_proxy_alone_is_enough(make: Make, kdc: Kdc, kerberos_folder: Path, tmp_path: Path) -> None:
    """Whoever will not lend his own ticket lends that; no KDC is needed any more."""
    kdc.kinit(tmp_path / "own")
    kdc.ticket_for_the_proxy(tmp_path / "own", kerberos_folder / "ticket")
    kdc.stop()
    tickets = make()
    assert tickets.look() is None
    assert tickets.principal == kdc.principal
    assert b"krbtgt" not in cache().read_bytes()


def test_a_ticket_is_renewed_in_the_middle_of_its_life(
    make: Make, kdc: Kdc, kerberos_folder: Path, wait: Callable[[float], None]
) -> None:
    """By itself, without the password, as long as it may be; until then the first one is used."""
    kdc.kinit(kerberos_folder / "ticket", "-l", "10m", "-r", "1h")
    tickets = make()
    assert tickets.look() is None
    first = cache().read_bytes()
    tickets.renew()
    assert cache().read_bytes() == first
    wait(301)
    tickets.renew()
    assert cache().read_bytes() != first
    assert (tickets.count, tickets.look()) == (2, None)
    assert kdc.tries() == ["taken"]


def test_a_renewal_that_fails_takes_nothing_away_and_is_tried_again(
    make: Make, kdc: Kdc, kerberos_folder: Path, wait: Callable[[float], None]
) -> None:
    """The company's network is away at noon: what was got in the morning holds, no request waits, and later it is renewed."""
    kdc.kinit(kerberos_folder / "ticket", "-l", "10m", "-r", "1h")
    tickets = make()
    assert tickets.look() is None
    first = cache().read_bytes()
    kdc.stop()
    wait(301)
    tickets.renew()
    assert tickets.look() is None
    assert cache().read_bytes() == first
    kdc.start()
    tickets.renew()
    assert cache().read_bytes() == first
    wait(150)
    tickets.renew()
    assert cache().read_bytes() != first


def test_a_wrong_password_takes_nothing_away_and_is_tried_once(
    make: Make, kdc: Kdc, tmp_path: Path, wait: Callable[[float], None]
) -> None:
    """As long as the ticket of the right one holds, nobody needs another."""
    (tmp_path / "login").write_text(kdc.password)
    tickets = make()
    assert tickets.look() is None
    (tmp_path / "login").write_text("not-the-word")
    for _ in range(3):
        assert tickets.look() is None
    wait(31)
    assert tickets.look() is None
    assert kdc.tries() == ["taken", "refused"]


def test_a_ticket_that_is_over_soon_is_no_ticket_then(
    make: Make, kdc: Kdc, kerberos_folder: Path, wait: Callable[[float], None]
) -> None:
    """Also when it was taken only just now."""
    kdc.kinit(kerberos_folder / "ticket", "-l", "20s")
    tickets = make()
    assert tickets.look() is None
    wait(21)
    assert "expired on" in trouble(tickets).message


def test_a_wrong_password_is_tried_again_after_30_seconds_or_when_its_file_changes(
    make: Make, kdc: Kdc, tmp_path: Path, wait: Callable[[float], None]
) -> None:
    """However many ask, and however often."""
    (tmp_path / "login").write_text("not-the-word")
    tickets = make()
    for _ in range(3):
        assert "Password incorrect" in trouble(tickets).message
    assert kdc.tries() == ["refused"]
    wait(31)
    for _ in range(3):
        trouble(tickets)
    assert kdc.tries() == ["refused"] * 2
    (tmp_path / "login").write_text(kdc.password)
    assert tickets.look() is None


def test_what_is_wrong_is_one_sentence_with_what_mends_it(make: Make, kdc: Kdc, kerberos_folder: Path) -> None:
    """No ticket; something else; one that the container's user may not read; none for a proxy's address; a KDC that is away."""
    tickets, ticket = make(), kerberos_folder / "ticket"
    mend = f"On this machine: kinit -c {ticket} USER@REALM && chmod 644 {ticket}"
    found = trouble(tickets)
    assert (found.message, found.remedy) == (f"{ticket} is not there. No password.", mend)
    ticket.write_text("worker:a password in the wrong file\n")
    found = trouble(tickets)
    assert (found.message, found.remedy) == (f"{ticket} cannot be read: it is no cache of tickets", mend)
    kdc.kinit(ticket)
    ticket.chmod(0)
    if not readable(ticket):  # as it is for root
        assert trouble(tickets).message == f"{ticket} cannot be read: Permission denied"
    ticket.chmod(0o644)
    found = trouble(make("127.0.0.1"))
    assert found.message.startswith(f"Kerberos gave {kdc.principal} no ticket for 127.0.0.1: Server HTTP/127.0.0.1@")
    assert found.remedy.startswith("Let HTTPS_PROXY name the proxy as Kerberos knows it")
    kdc.stop()
    found = trouble(tickets)
    assert found.message.startswith(f"Kerberos gave {kdc.principal} no ticket for localhost: Cannot contact any KDC")
    assert "copy /etc/krb5.conf into the folder of DRYDOCK_KERBEROS" in found.remedy


def test_a_cache_that_ends_anywhere_is_none(kdc: Kdc, tmp_path: Path) -> None:
    """kinit writes it bit by bit, and somebody may look in between."""
    kdc.kinit(tmp_path / "ticket")
    whole = (tmp_path / "ticket").read_bytes()
    assert read_ticket(whole).principal == kdc.principal
    ends = []
    for size in range(len(whole)):
        try:
            ends.append(read_ticket(whole[:size]))
        except ValueError:
            continue
    # between two entries it is whole, with less in it
    assert all(found == read_ticket(whole) for found in ends)


def test_without_a_krb5_conf_the_realm_is_enough(make: Make, kdc: Kdc, kerberos_folder: Path, tmp_path: Path) -> None:
    """Kerberos reads what is written for it then, and asks DNS for the realm's KDC, which here knows none."""
    (kerberos_folder / "krb5.conf").unlink()
    (tmp_path / "login").write_text(kdc.password)
    assert "Cannot find KDC for realm" in trouble(make()).message
    assert Path(os.environ["KRB5_CONFIG"]).read_text() == krb5_conf("CORP.EXAMPLE")


def test_what_krb5_conf_includes_is_left_out(make: Make, kdc: Kdc, kerberos_folder: Path) -> None:
    """Red Hat's file includes folders that are on the machine and not in the container."""
    conf = kerberos_folder / "krb5.conf"
    conf.write_text(f"includedir /etc/krb5.conf.d/\n{conf.read_text()}")
    kdc.kinit(kerberos_folder / "ticket")
    assert make().look() is None
