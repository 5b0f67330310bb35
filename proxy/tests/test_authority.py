"""The authority: who may read its key, what it signs, and when it makes things anew."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from drydock_cache.errors import ConfigError
from drydock_proxy import certificates, keyfile, succession
from drydock_proxy.authority import Authority, ForbiddenHostError, replace_root, rotate
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
HOSTS = ("bundles.example.net", ".wild.example.org")
SUCCESSION = succession.found(HOSTS, NOW)
FILE = Path("authority") / "intermediates.pem"
FORMER = FILE.with_name("key-and-certificate.pem")


def opened(state: Path, hosts: tuple[str, ...] = HOSTS, now: float = NOW) -> Authority:
    return Authority.open(state, hosts, now)


def blocks(state: Path) -> list[bytes]:
    """Take the file apart: the root's certificate, then key and certificate of each intermediate."""
    return [
        part + b"-----\n" for part in re.findall(rb"(?s)(-----BEGIN .+?-----END [A-Z ]+)-----\n", (state / FILE).read_bytes())
    ]


def end_of(authority: Authority) -> float:
    return certificates.Validity.of(authority.certificate).ends


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_key_is_for_its_owner_alone_and_the_certificate_for_all(tmp_path: Path) -> None:
    """0700 and 0600 for the key, 0644 and no key in the exported certificate."""
    authority = opened(tmp_path)
    assert (mode(tmp_path / "authority"), mode(tmp_path / FILE), mode(tmp_path / "ca.pem")) == (0o700, 0o600, 0o644)
    assert (tmp_path / "ca.pem").read_bytes() == authority.pem
    assert authority.pem.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert b"PRIVATE" not in authority.pem
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["authority", "ca.pem", FILE.name]


def test_the_key_file_is_never_open_to_others_not_even_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the loosest umask the file is created with its final mode, and not narrowed afterwards."""
    seen: list[int] = []
    real = os.fchmod

    def spy(descriptor: int, wanted: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real(descriptor, wanted)

    monkeypatch.setattr(os, "fchmod", spy)
    previous = os.umask(0)
    try:
        opened(tmp_path)
    finally:
        os.umask(previous)
    assert seen == [0o600, 0o644]
    assert mode(tmp_path / "authority") == 0o700


def test_a_tight_umask_leaves_the_certificate_readable(tmp_path: Path) -> None:
    """Workers run as other users and must read the certificate."""
    previous = os.umask(0o077)
    try:
        opened(tmp_path)
    finally:
        os.umask(previous)
    assert mode(tmp_path / "ca.pem") == 0o644


def test_the_ca_stays_the_same_over_restarts(tmp_path: Path) -> None:
    """The second start loads what the first one made, and has nothing to say."""
    first, second = opened(tmp_path), opened(tmp_path, now=NOW + 100 * DAY)
    assert first.pem == second.pem
    assert second.notice == ""


def test_a_policy_that_shrank_keeps_the_ca_but_not_the_right_to_its_hosts(tmp_path: Path) -> None:
    """No Worker must restart, and the authority signs for the smaller policy only."""
    first = opened(tmp_path)
    second = opened(tmp_path, ("bundles.example.net",))
    assert first.pem == second.pem
    with pytest.raises(ForbiddenHostError):
        second.leaf("a.wild.example.org", NOW)


def test_a_policy_that_grew_makes_a_new_ca_and_leaves_no_old_key(tmp_path: Path) -> None:
    """The notice names the hosts and the restart; no old key is in any file any more."""
    old = opened(tmp_path)
    old_keys = blocks(tmp_path)[1::2]
    new = opened(tmp_path, (*HOSTS, "more.example.net"))
    assert new.pem != old.pem
    assert "more.example.net" in new.notice
    assert "restart" in new.notice
    assert (tmp_path / "ca.pem").read_bytes() == new.pem
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [key for key in old_keys for file in files if key in file]


def test_the_ca_of_an_earlier_version_is_replaced_and_said(tmp_path: Path) -> None:
    """There the root's key lay on disk, and its certificate forbade intermediates: that key is destroyed."""
    (tmp_path / "authority").mkdir(0o700)
    (tmp_path / FORMER).write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    authority = opened(tmp_path)
    assert "an earlier version kept the root's key, which is destroyed now" in authority.notice
    assert "docker compose restart" in authority.notice
    assert not (tmp_path / FORMER).exists()
    assert opened(tmp_path).notice == ""


def test_the_key_of_the_root_is_nowhere(tmp_path: Path) -> None:
    """Every key on disk belongs to an intermediate."""
    authority = opened(tmp_path)
    keys = [load_pem_private_key(block, None) for block in blocks(tmp_path) if b"PRIVATE" in block]
    assert len(keys) == succession.COUNT
    assert authority.certificate.public_key() not in [key.public_key() for key in keys]


def test_a_ca_without_constraints_is_replaced(tmp_path: Path) -> None:
    """A root that could sign for everybody is never taken, wherever it came from."""
    opened(tmp_path)
    key = certificates.new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unconstrained")])
    start = datetime.fromtimestamp(NOW - DAY, UTC)
    root = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = keyfile.certificate_pem(root)
    (tmp_path / FILE).write_bytes(pem + keyfile.key_pem(key) + pem)
    authority = opened(tmp_path)
    assert authority.certificate != root
    assert certificates.permitted_hosts(authority.certificate) == ("bundles.example.net", "wild.example.org")


def test_names_below_a_permitted_one_need_no_new_ca(tmp_path: Path) -> None:
    """A host that the old constraints cover anyway changes nothing."""
    assert opened(tmp_path).pem == opened(tmp_path, (*HOSTS, "a.wild.example.org", "wild.example.org")).pem


def test_a_crash_while_the_key_was_written_is_cleaned_up(tmp_path: Path) -> None:
    """A half-written file of the last run, which may hold a key, is gone after the next start."""
    opened(tmp_path)
    leftover = (tmp_path / FILE).with_name(FILE.name + ".1f2e.new")
    leftover.write_bytes(b"-----BEGIN PRIVATE KEY-----")
    opened(tmp_path)
    assert not leftover.exists()


def test_two_proxies_that_start_at_once_make_one_ca(tmp_path: Path) -> None:
    """The directory's lock lets one of them make it and the others load it."""
    script = (
        "import sys; from pathlib import Path; from drydock_proxy.authority import Authority\n"
        f"sys.stdout.buffer.write(Authority.open(Path(sys.argv[1]), {HOSTS!r}, {NOW}).pem)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "state")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    assert len({process.communicate(timeout=60)[0] for process in started}) == 1
    assert all(process.returncode == 0 for process in started)


def test_processes_that_write_one_public_file_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    """The root's certificate is written by whoever opens or rotates the CA, also outside of the lock."""
    script = (
        "import sys; from pathlib import Path; from drydock_proxy import keyfile\n"
        "for _ in range(100): keyfile.write(Path(sys.argv[1]), sys.argv[2].encode() * 5000, 0o644)"
    )
    started = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "ca.pem"), letter]) for letter in "abcd"]
    assert [process.wait(timeout=60) for process in started] == [0] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]
    text = (tmp_path / "ca.pem").read_text()
    assert text in {letter * 5000 for letter in "abcd"}


def _chmod_key(state: Path) -> None:
    (state / FILE).chmod(0o644)


def _chmod_directory(state: Path) -> None:
    (state / "authority").chmod(0o750)


def _garbage(state: Path) -> None:
    (state / FILE).write_bytes(b"nothing of use")


def _empty(state: Path) -> None:
    (state / FILE).write_bytes(b"")


def _only_the_root(state: Path) -> None:
    (state / FILE).write_bytes(blocks(state)[0])


def _damaged(state: Path) -> None:
    root, key, certificate, *rest = blocks(state)
    damaged = certificate.replace(b"CERTIFICATE-----\nMII", b"CERTIFICATE-----\nAAA")
    (state / FILE).write_bytes(b"".join([root, key, damaged, *rest]))


def _another_key(state: Path) -> None:
    *rest, _, certificate = blocks(state)
    (state / FILE).write_bytes(b"".join([*rest, keyfile.key_pem(certificates.new_key()), certificate]))


def _another_root(state: Path) -> None:
    other = succession.found(HOSTS, NOW)
    (state / FILE).write_bytes(b"".join([keyfile.certificate_pem(other.root), *blocks(state)[1:]]))


def _swapped(state: Path) -> None:
    root, key, certificate, *rest = blocks(state)
    (state / FILE).write_bytes(b"".join([root, certificate, key, *rest]))


def _broken_signature(state: Path) -> None:
    *rest, certificate = blocks(state)
    der = bytearray(x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER))
    der[-1] ^= 1
    (state / FILE).write_bytes(b"".join([*rest, x509.load_der_x509_certificate(bytes(der)).public_bytes(Encoding.PEM)]))


def _rsa(state: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    root, _, *rest = blocks(state)
    (state / FILE).write_bytes(b"".join([root, pem, *rest]))


def _link(state: Path) -> None:
    (state / FILE).rename(state / "elsewhere.pem")
    (state / FILE).symlink_to(state / "elsewhere.pem")


def _pipe(state: Path) -> None:
    (state / FILE).unlink()
    os.mkfifo(state / FILE, 0o600)


def _directory_is_a_file(state: Path) -> None:
    shutil.rmtree(state / "authority")
    (state / "authority").write_bytes(b"")


def _directory_is_a_link(state: Path) -> None:
    (state / "authority").rename(state / "elsewhere")
    (state / "authority").symlink_to(state / "elsewhere")


@pytest.mark.parametrize(
    ("damage", "says", "mend"),
    [
        (_chmod_key, "has mode 0644, so others may have read them; expected 0600", "chmod 600"),
        (_chmod_directory, "has mode 0750", "chmod 700"),
        (_garbage, "found none in 14 bytes", 'Run "rm '),
        (_empty, "found none in 0 bytes", 'Run "rm '),
        (_only_the_root, "found CERTIFICATE in", 'Run "rm '),
        (_damaged, "is damaged or encrypted", 'Run "rm '),
        (_another_key, "do not belong together", 'Run "rm '),
        (_another_root, "do not belong together", 'Run "rm '),
        (_broken_signature, "do not belong together", 'Run "rm '),
        (_swapped, "found CERTIFICATE, CERTIFICATE, PRIVATE KEY, PRIVATE KEY in", 'Run "rm '),
        (_rsa, "of another kind: expected one on the curve P-256", 'Run "rm '),
        (_link, "cannot be read", 'Run "rm '),
        (_pipe, "are not a regular file", 'Run "rm '),
        (_directory_is_a_file, "cannot be used", "no link or file in its place"),
        (_directory_is_a_link, "cannot be used", "no link or file in its place"),
    ],
)
def test_a_state_that_cannot_be_trusted_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], says: str, mend: str
) -> None:
    """Each refusal names the path, what is wrong, and a command; nothing is replaced silently."""
    opened(tmp_path)
    damage(tmp_path)
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path)
    assert str(tmp_path / "authority") in caught.value.message
    assert says in caught.value.message
    assert mend in caught.value.remedy
    assert "BEGIN" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """The owner could change it at any time."""
    opened(tmp_path)
    os.chown(tmp_path / FILE, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to user 12345, but the proxy runs as user 0"):
        opened(tmp_path)


def test_a_state_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The sentence names the directory."""
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"state/authority for the CA's keys cannot be used: (File exists|Not a directory)"):
        opened(tmp_path / "state")


def test_an_ended_ca_stops_the_start_and_is_announced_a_month_before(tmp_path: Path) -> None:
    """Five years on it is refused with the command that makes a new one; the last thirty days it warns."""
    authority = opened(tmp_path)
    end = end_of(authority)
    assert authority.signs_until(NOW) == end
    assert end - NOW == pytest.approx(5 * 365 * DAY)
    assert authority.warning(end - 31 * DAY) == ""
    assert "ends on" in authority.warning(end - 29 * DAY)
    with pytest.raises(ConfigError, match=r"ended on .*drydock ca rotate --root"):
        opened(tmp_path, now=end)
    with pytest.raises(ConfigError, match="ended on"):
        authority.leaf("bundles.example.net", end)


def test_a_clock_before_the_ca_is_named_as_such(tmp_path: Path) -> None:
    """A machine whose clock is two days behind is no reason to stop, one that is far behind is."""
    opened(tmp_path)
    assert opened(tmp_path, now=NOW - 2 * DAY).notice == ""
    with pytest.raises(ConfigError, match="later than this machine's clock"):
        opened(tmp_path, now=NOW - 4 * DAY)


def test_root_and_intermediates_are_constrained_to_the_policy(tmp_path: Path) -> None:
    """Critical constraints permit the hosts and exclude every IP address; a suffix is written without a leading dot."""
    authority = opened(tmp_path)
    (intermediate,) = authority.leaf("bundles.example.net", NOW).chain
    for certificate, below in ((authority.certificate, 1), (intermediate, 0)):
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
        assert constraints.critical
        permitted = [name.value for name in constraints.value.permitted_subtrees or []]
        assert permitted == ["bundles.example.net", "wild.example.org"]
        assert [str(net.value) for net in constraints.value.excluded_subtrees or []] == ["0.0.0.0/0", "::/0"]
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, below)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
        assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    purposes = intermediate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_policy_without_interception_permits_nobody(tmp_path: Path) -> None:
    """No host at all never means every host."""
    authority = opened(tmp_path, ())
    assert certificates.permitted_hosts(authority.certificate) == ("nobody.invalid",)
    with pytest.raises(ForbiddenHostError):
        authority.leaf("bundles.example.net", NOW)


def test_an_address_in_the_policy_is_permitted_alone(tmp_path: Path) -> None:
    """A registry that is named by its address gets a leaf; all other addresses stay excluded."""
    authority = opened(tmp_path, ("127.0.0.1", "bundles.example.net"))
    san = authority.leaf("127.0.0.1", NOW).cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in san.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    with pytest.raises(ForbiddenHostError):
        authority.leaf("127.0.0.2", NOW)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "bundles.example.net.evil.example", "sub.bundles.example.net", "wild.example.org", "127.0.0.1", "", "a b"],
)
def test_no_leaf_is_made_for_a_host_outside_the_policy(tmp_path: Path, host: str) -> None:
    """Neither for other names nor for the bare suffix of a wildcard nor for what is no name."""
    with pytest.raises(ForbiddenHostError, match="No certificate is made for"):
        opened(tmp_path).leaf(host, NOW)


def test_a_leaf_is_for_one_host_and_for_servers_only(tmp_path: Path) -> None:
    """SAN, usage and key identifiers are right, and its key is its own."""
    authority = opened(tmp_path)
    leaf = authority.leaf("A.Wild.Example.ORG.", NOW)
    extensions = leaf.cert.extensions
    san = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["a.wild.example.org"]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    (intermediate,) = leaf.chain
    issuer = intermediate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == issuer.digest
    assert leaf.key.public_key() == leaf.cert.public_key()
    others = [authority.certificate, intermediate, authority.leaf("bundles.example.net", NOW).cert]
    assert leaf.cert.public_key() not in [other.public_key() for other in others]
    leaf.cert.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(authority.certificate)


def test_a_leaf_says_its_name_in_the_san_alone(tmp_path: Path) -> None:
    """The subject is empty, which makes the SAN critical (RFC 5280 §4.2.1.6)."""
    leaf = opened(tmp_path).leaf("bundles.example.net", NOW).cert
    assert list(leaf.subject) == []
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_a_leaf_can_only_speak_for_its_server(tmp_path: Path) -> None:
    """It is no CA and signs handshakes alone, and both are critical."""
    extensions = opened(tmp_path).leaf("bundles.example.net", NOW).cert.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, usage.critical) == (True, False, True)
    names = ("key_cert_sign", "crl_sign", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    assert usage.value.digital_signature
    assert not any(getattr(usage.value, name) for name in names)


@pytest.mark.parametrize("length", [63, 64, 65, 250])
def test_long_names_get_a_leaf_too(tmp_path: Path, length: int) -> None:
    """A common name would hold 64 characters at most; the SAN holds what a host may have."""
    suffix = ".wild.example.org"
    rest = length - len(suffix)
    host = "a" + ".a" * ((rest - 1) // 2) + "a" * (rest % 2 == 0) + suffix
    assert len(host) == length
    san = opened(tmp_path).leaf(host, NOW).cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == [host]


def test_a_leaf_is_kept_until_a_third_of_its_life_remains(tmp_path: Path) -> None:
    """Sixty days long, the same for forty, and another one after that, or when the clock goes back before its start."""
    authority = opened(tmp_path)
    leaf = authority.leaf("bundles.example.net", NOW)
    assert leaf.expires - NOW == pytest.approx(60 * DAY)
    assert authority.leaf("bundles.example.net", NOW + 39.9 * DAY) is leaf
    later = authority.leaf("bundles.example.net", NOW + 200 * DAY)
    assert later.expires - NOW == pytest.approx(260 * DAY)
    assert authority.leaf("bundles.example.net", NOW).cert.not_valid_before_utc.timestamp() <= NOW


@given(days=st.floats(0, 5 * 365 - 0.01), rotations=st.integers(0, 6))
@settings(deadline=None, max_examples=60)
def test_a_leaf_lives_ninety_days_at_most_and_never_outlives_its_issuer(days: float, rotations: int) -> None:
    """Whenever it is made and however often somebody rotated; until the root's last weeks it has its full sixty days."""
    now = NOW + days * DAY
    left = SUCCESSION
    for _ in range(rotations):
        left = left.rotated(now) or left
    signer = left.signer(now)
    assert signer
    key = certificates.new_key().public_key()
    leaf = certificates.leaf_certificate("bundles.example.net", key, signer.certificate, signer.key, now)
    life, issuer, root = (certificates.Validity.of(one) for one in (leaf, signer.certificate, SUCCESSION.root))
    assert life.ends <= issuer.ends <= root.ends
    assert life.ends - life.begins <= 90 * DAY
    assert life.ends - now == pytest.approx(min(60 * DAY, root.ends - now), abs=1)


@given(days=st.lists(st.floats(0, 5 * 365 - 0.01), min_size=2, max_size=2).map(sorted))
@settings(deadline=None, max_examples=60)
def test_the_signer_only_ever_moves_on(days: list[float]) -> None:
    """A later moment has the same or a later intermediate, of which none is valid for more than its part of the time."""
    earlier, later = (SUCCESSION.signer(NOW + day * DAY) for day in days)
    assert earlier
    assert later
    assert SUCCESSION.intermediates.index(earlier) <= SUCCESSION.intermediates.index(later)
    assert later.validity.ends - (NOW + days[1] * DAY) <= succession.PERIOD + succession.ROOM


def test_a_clock_that_leaps_ahead_and_back_destroys_nothing(tmp_path: Path) -> None:
    """Time alone chooses who signs; no file changes, so that a wrong clock is mended by setting it right."""
    authority = opened(tmp_path)
    first, before = authority.leaf("bundles.example.net", NOW), (tmp_path / FILE).read_bytes()
    for leap in (2, 200, 800, -2, 0):
        now = NOW + leap * DAY
        leaf = authority.leaf("bundles.example.net", now)
        assert certificates.Validity.of(leaf.cert).holds(now)
        assert certificates.Validity.of(leaf.chain[0]).holds(now)
    assert leaf.chain == first.chain
    assert (tmp_path / FILE).read_bytes() == before


def test_rotation_destroys_a_key_and_a_running_authority_takes_it_up(tmp_path: Path) -> None:
    """The next leaf comes from the next intermediate under the same root, with another key; the old one is in no file."""
    authority = opened(tmp_path)
    leaf, pem, key = authority.leaf("bundles.example.net", NOW), authority.pem, blocks(tmp_path)[1]
    rotate(tmp_path, NOW)
    assert key not in (tmp_path / FILE).read_bytes()
    assert mode(tmp_path / FILE) == 0o600
    renewed = authority.leaf("bundles.example.net", NOW)
    assert renewed.chain != leaf.chain
    assert renewed.cert.public_key() != leaf.cert.public_key()
    renewed.cert.verify_directly_issued_by(renewed.chain[0])
    renewed.chain[0].verify_directly_issued_by(authority.certificate)
    assert authority.pem == pem == opened(tmp_path).pem
    assert authority.warning(NOW) == ""


def test_rotations_end_when_no_other_intermediate_is_valid(tmp_path: Path) -> None:
    """Three at once; then the refusal says both ways on, the CA signs as before, and a period later there is one more."""
    authority = opened(tmp_path)
    for left in (2, 1, 0):
        assert rotate(tmp_path, NOW).rotations(NOW) == left
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(ConfigError, match=r"no other intermediate that is valid today.*rotate --root"):
        rotate(tmp_path, NOW)
    assert (tmp_path / FILE).read_bytes() == before
    assert authority.leaf("bundles.example.net", NOW).expires - NOW == pytest.approx(60 * DAY)
    assert rotate(tmp_path, NOW + 90 * DAY).rotations(NOW + 90 * DAY) == 0


def test_a_new_root_is_taken_up_and_written_for_clients(tmp_path: Path) -> None:
    """The same hosts, other keys throughout; every exported copy of ca.pem is the new one, in a running process too."""
    authority = opened(tmp_path)
    authority.export(tmp_path / "copy.pem")
    keys, pem = blocks(tmp_path)[1::2], authority.pem
    replace_root(tmp_path, NOW)
    leaf = authority.leaf("bundles.example.net", NOW)
    leaf.chain[0].verify_directly_issued_by(authority.certificate)
    assert authority.pem != pem
    assert (tmp_path / "ca.pem").read_bytes() == (tmp_path / "copy.pem").read_bytes() == authority.pem
    assert certificates.permitted_hosts(authority.certificate) == ("bundles.example.net", "wild.example.org")
    assert not [key for key in keys if key in (tmp_path / FILE).read_bytes()]


def _gone(state: Path) -> None:
    (state / FILE).unlink()


def _loose(state: Path) -> None:
    rotate(state, NOW)
    (state / FILE).chmod(0o640)


def _smaller(state: Path) -> None:
    keyfile.write(state / FILE, keyfile.pem(succession.found(HOSTS[:1], NOW)), 0o600)


@pytest.mark.parametrize(
    ("change", "says"), [(_gone, "are gone"), (_loose, "has mode 0640"), (_smaller, "does not cover .wild.example.org")]
)
def test_a_running_authority_keeps_what_it_has_when_the_file_goes_wrong(
    tmp_path: Path, change: Callable[[Path], None], says: str
) -> None:
    """It signs as before and warns with the reason, until the file is right again."""
    authority = opened(tmp_path)
    leaf, before = authority.leaf("bundles.example.net", NOW), (tmp_path / FILE).read_bytes()
    change(tmp_path)
    assert authority.leaf("bundles.example.net", NOW) is leaf
    assert says in authority.warning(NOW)
    assert "Until then the CA in memory signs." in authority.warning(NOW)
    keyfile.write(tmp_path / FILE, before, 0o600)
    assert authority.warning(NOW) == ""


def test_there_is_nothing_to_rotate_before_the_first_start(tmp_path: Path) -> None:
    """The sentence says where it looked."""
    with pytest.raises(ConfigError, match=r"There is no CA in .*intermediates\.pem"):
        rotate(tmp_path, NOW)


def test_clients_cannot_fill_the_memory_with_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names below a wildcard are asked for, a bounded number of leaves is kept."""
    monkeypatch.setattr("drydock_proxy.authority._MOST_LEAVES", 3)
    authority = opened(tmp_path)
    first = authority.leaf("n0.wild.example.org", NOW)
    for number in range(1, 4):
        authority.leaf(f"n{number}.wild.example.org", NOW)
    assert authority.leaf("n0.wild.example.org", NOW) is not first
    assert authority.leaf("n3.wild.example.org", NOW) is authority.leaf("n3.wild.example.org", NOW)
