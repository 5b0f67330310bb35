"""The authority: who may read its key, what it signs, and when it makes things anew."""

import os
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
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from drydock_cache.errors import ConfigError
from drydock_proxy import certificates, keyfile
from drydock_proxy.authority import Authority, ForbiddenHostError

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
HOSTS = ("bundles.example.net", ".wild.example.org")
FILE = Path("authority") / "key-and-certificate.pem"


def opened(state: Path, hosts: tuple[str, ...] = HOSTS, now: float = NOW) -> Authority:
    return Authority.open(state, hosts, now)


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
    """The notice names the hosts and the restart; the old key is in no file any more."""
    old = opened(tmp_path)
    old_key = (tmp_path / FILE).read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    new = opened(tmp_path, (*HOSTS, "more.example.net"))
    assert new.pem != old.pem
    assert "more.example.net" in new.notice
    assert "restart" in new.notice
    assert (tmp_path / "ca.pem").read_bytes() == new.pem
    assert all(old_key not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


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
    (tmp_path / FILE).write_bytes(keyfile.key_pem(key) + keyfile.certificate_pem(root))
    authority = opened(tmp_path)
    assert authority.certificate != root
    assert certificates.permitted_hosts(authority.certificate) == ("bundles.example.net", "wild.example.org")


def test_names_below_a_permitted_one_need_no_new_ca(tmp_path: Path) -> None:
    """A host that the old constraints cover anyway changes nothing."""
    assert opened(tmp_path).pem == opened(tmp_path, (*HOSTS, "a.wild.example.org", "wild.example.org")).pem


def test_a_crash_while_the_key_was_written_is_cleaned_up(tmp_path: Path) -> None:
    """A half-written file of the last run, which may hold a key, is gone after the next start."""
    opened(tmp_path)
    leftover = (tmp_path / FILE).with_name(FILE.name + ".new")
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


def _chmod_key(state: Path) -> None:
    (state / FILE).chmod(0o644)


def _chmod_directory(state: Path) -> None:
    (state / "authority").chmod(0o750)


def _garbage(state: Path) -> None:
    (state / FILE).write_bytes(b"nothing of use")


def _empty(state: Path) -> None:
    (state / FILE).write_bytes(b"")


def _only_the_key(state: Path) -> None:
    (state / FILE).write_bytes((state / FILE).read_bytes().partition(b"-----BEGIN CERTIFICATE")[0])


def _damaged(state: Path) -> None:
    (state / FILE).write_bytes((state / FILE).read_bytes().replace(b"CERTIFICATE-----\nMII", b"CERTIFICATE-----\nAAA"))


def _another_key(state: Path) -> None:
    certificate = (state / FILE).read_bytes().partition(b"-----BEGIN CERTIFICATE")
    (state / FILE).write_bytes(keyfile.key_pem(certificates.new_key()) + b"".join(certificate[1:]))


def _swapped(state: Path) -> None:
    key, start, certificate = (state / FILE).read_bytes().partition(b"-----BEGIN CERTIFICATE")
    (state / FILE).write_bytes(start + certificate + key)


def _broken_signature(state: Path) -> None:
    key, start, certificate = (state / FILE).read_bytes().partition(b"-----BEGIN CERTIFICATE")
    der = bytearray(x509.load_pem_x509_certificate(start + certificate).public_bytes(Encoding.DER))
    der[-1] ^= 1
    (state / FILE).write_bytes(key + x509.load_der_x509_certificate(bytes(der)).public_bytes(Encoding.PEM))


def _rsa(state: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (state / FILE).write_bytes(pem + b"".join((state / FILE).read_bytes().partition(b"-----BEGIN CERTIFICATE")[1:]))


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
        (_chmod_key, "has mode 0644, so others may have read the key; expected 0600", "chmod 600"),
        (_chmod_directory, "has mode 0750", "chmod 700"),
        (_garbage, "found none of them in 14 bytes", 'Run "rm '),
        (_empty, "found none of them in 0 bytes", 'Run "rm '),
        (_only_the_key, "found PRIVATE KEY in", 'Run "rm '),
        (_damaged, "is damaged or encrypted", 'Run "rm '),
        (_another_key, "do not belong together", 'Run "rm '),
        (_broken_signature, "do not belong together", 'Run "rm '),
        (_swapped, "found CERTIFICATE and PRIVATE KEY in", 'Run "rm '),
        (_rsa, "of another kind: expected one on the curve P-256", 'Run "rm '),
        (_link, "cannot be read", 'Run "rm '),
        (_pipe, "is not a regular file", 'Run "rm '),
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
    with pytest.raises(ConfigError, match=r"state/authority for the CA's key cannot be used: (File exists|Not a directory)"):
        opened(tmp_path / "state")


def test_an_ended_ca_stops_the_start_and_is_announced_a_month_before(tmp_path: Path) -> None:
    """Five years on it is refused with the command that makes a new one; the last thirty days it warns."""
    authority = opened(tmp_path)
    end = authority.expires
    assert end - NOW == pytest.approx(5 * 365 * DAY)
    assert authority.warning(end - 31 * DAY) == ""
    assert "ends on" in authority.warning(end - 29 * DAY)
    with pytest.raises(ConfigError, match=r"ended on .* Run \"rm -r "):
        opened(tmp_path, now=end)
    with pytest.raises(ConfigError, match="ended on"):
        authority.leaf("bundles.example.net", end)


def test_a_clock_before_the_ca_is_named_as_such(tmp_path: Path) -> None:
    """A machine whose clock is two days behind is no reason to stop, one that is far behind is."""
    opened(tmp_path)
    assert opened(tmp_path, now=NOW - 1.9 * DAY).notice == ""
    with pytest.raises(ConfigError, match="later than this machine's clock"):
        opened(tmp_path, now=NOW - 3 * DAY)


def test_the_root_is_constrained_to_the_policy(tmp_path: Path) -> None:
    """Critical constraints permit the hosts and exclude every IP address; a suffix is written without a leading dot."""
    root = opened(tmp_path).certificate
    constraints = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert [name.value for name in constraints.value.permitted_subtrees or []] == ["bundles.example.net", "wild.example.org"]
    assert [str(net.value) for net in constraints.value.excluded_subtrees or []] == ["0.0.0.0/0", "::/0"]
    basic = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)


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
    """SAN, usage and key identifiers are right, and its key is not the CA's."""
    authority = opened(tmp_path)
    leaf = authority.leaf("A.Wild.Example.ORG.", NOW)
    extensions = leaf.cert.extensions
    san = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["a.wild.example.org"]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    issuer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == issuer.digest
    assert leaf.key.public_key() == leaf.cert.public_key()
    assert leaf.key.public_key() != authority.certificate.public_key()
    assert leaf.key is authority.leaf("bundles.example.net", NOW).key
    leaf.cert.verify_directly_issued_by(authority.certificate)


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
    """A common name holds 64 characters at most; the SAN holds what a host may have."""
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


def test_a_leaf_never_outlives_the_ca(tmp_path: Path) -> None:
    """Shortly before the CA's end, its leaves end with it."""
    authority = opened(tmp_path)
    assert authority.leaf("bundles.example.net", authority.expires - 5 * DAY).expires == authority.expires


def test_clients_cannot_fill_the_memory_with_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names below a wildcard are asked for, a bounded number of leaves is kept."""
    monkeypatch.setattr("drydock_proxy.authority._MOST_LEAVES", 3)
    authority = opened(tmp_path)
    first = authority.leaf("n0.wild.example.org", NOW)
    for number in range(1, 4):
        authority.leaf(f"n{number}.wild.example.org", NOW)
    assert authority.leaf("n0.wild.example.org", NOW) is not first
    assert authority.leaf("n3.wild.example.org", NOW) is authority.leaf("n3.wild.example.org", NOW)
