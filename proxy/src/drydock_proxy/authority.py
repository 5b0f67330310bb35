"""The proxy's certificate authority: made at the first start, constrained to the policy's hosts, signing leaves for them."""

import datetime
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from drydock_cache.errors import ConfigError, DrydockError
from drydock_cache.patterns import PatternError, normalise_host, suffixes

from drydock_proxy import keyfile
from drydock_proxy.certificates import DAY, Key, Validity, covers, leaf_certificate, new_key, permitted_hosts
from drydock_proxy.succession import Succession, found

_log = logging.getLogger(__name__)

_DIRECTORY = "authority"
_FILE = "intermediates.pem"
_FORMER = "key-and-certificate.pem"  # of versions that kept a root's key
_WARN_BEFORE = 30 * DAY
_NEW_ROOT = 'Make a new root with "drydock ca rotate --root" (make ca-rotate ROOT=1), and restart the Workers.'
# Wildcards in the policy let clients name any number of hosts.
_MOST_LEAVES = 1024


class ForbiddenHostError(DrydockError):
    """A leaf was asked for a host that the CA may not sign for."""


@dataclass(frozen=True)
class Leaf:
    """A server's certificate for one host with its key; `chain` is what a server sends after it: the intermediate.

    `expires` and `renew_after` are seconds since 1970.
    """

    host: str
    cert: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: Key
    renew_after: float

    @property
    def expires(self) -> float:
        """When the certificate ends."""
        return self.cert.not_valid_after_utc.timestamp()

    def is_usable(self, now: float) -> bool:
        """Tell whether more than a third of its life remains, and the clock has not been set back before its start."""
        return self.cert.not_valid_before_utc.timestamp() <= now < self.renew_after


class Authority:
    """A CA that signs leaves for the permitted hosts alone, in any thread; `notice` says what a user should know of its opening.

    What `rotate` does to the file below `state_dir` counts with the next leaf that is asked for.
    """

    def __init__(self, state_dir: Path, succession: Succession, permitted: Sequence[str], notice: str) -> None:
        self.notice = notice
        self._path = state_dir / _DIRECTORY / _FILE
        self._succession = succession
        self._permitted = frozenset(permitted)
        self._exported: list[Path] = []
        self._leaves: dict[str, Leaf] = {}
        self._lock = threading.Lock()
        self._stamp = _stamp(self._path)
        self._trouble = ""

    @classmethod
    def open(cls, state_dir: Path, permitted: Sequence[str], now: float) -> "Authority":
        """Load the CA below `state_dir`, or make one; `permitted` are hosts, `.suffix`es and addresses, `now` is in seconds.

        A CA whose constraints do not cover a permitted host is replaced, and its keys are gone. The root's certificate is
        also written to `state_dir`/ca.pem. Raise ConfigError when what is there cannot be used or may have been read by others.
        """
        directory = state_dir / _DIRECTORY
        path, former = directory / _FILE, directory / _FORMER
        notice = ""
        with keyfile.private_directory(directory):
            for file in (path, former):
                keyfile.remove_leftover(file)
            succession = keyfile.load(path)
            if succession is not None:
                _check_usable(path, succession, now)
                if missing := _not_covered(succession.root, permitted):
                    notice = _made_anew(f"the policy now intercepts {', '.join(missing)} as well")
                    succession = None
            elif os.path.lexists(former):
                notice = _made_anew("an earlier version kept the root's key, which is destroyed now")
            if succession is None:
                succession = found(permitted, now)
                keyfile.write(path, keyfile.pem(succession), 0o600)
            former.unlink(missing_ok=True)
        authority = cls(state_dir, succession, permitted, notice)
        authority.export(state_dir / "ca.pem")
        return authority

    @property
    def certificate(self) -> x509.Certificate:
        """The root's certificate."""
        return self._succession.root

    @property
    def pem(self) -> bytes:
        """The root's certificate as PEM, without any comment: all that a client must trust."""
        return keyfile.certificate_pem(self._succession.root)

    def signs_until(self, now: float) -> float:
        """Return until when leaves can be signed, in seconds since 1970."""
        return self._succession.signs_until(now)

    def warning(self, now: float) -> str:
        """Return a sentence when the CA ends within 30 days, or what was changed of it cannot be used; otherwise nothing."""
        self.refresh()
        return " ".join(filter(None, (self._trouble, ending(self._succession, now))))

    def export(self, path: Path) -> None:
        """Write the root's certificate to a file that all may read, now and when it changes; raise ConfigError."""
        keyfile.write(path, self.pem, 0o644)
        if path not in self._exported:
            self._exported.append(path)

    def permits(self, host: str) -> bool:
        """Tell whether a normalised host is among those that the CA was opened for."""
        return any(pattern.removeprefix("*") in self._permitted for pattern in suffixes(host))

    def leaf(self, host: str, now: float) -> Leaf:
        """Return a certificate for a host: the last one as long as a third of its life remains and its issuer signs.

        Raise ForbiddenHostError for a host that the policy does not intercept, ConfigError when the CA itself has ended.
        """
        try:
            name = normalise_host(host)
        except PatternError as error:
            raise ForbiddenHostError(f"No certificate is made for {host[:80]!r}: it {error}.") from None
        if not self.permits(name):
            raise ForbiddenHostError(f"No certificate is made for {name}: the policy does not intercept it.")
        self.refresh()
        with self._lock:
            signer = self._succession.signer(now)
            leaf = self._leaves.get(name)
            if leaf and leaf.is_usable(now) and signer and leaf.chain == (signer.certificate,):
                return leaf
            _check_usable(self._path, self._succession, now)
            assert signer
            # A key of its own for each: what TLS servers hold in memory all day is not what can sign.
            key = new_key()
            cert = leaf_certificate(name, key.public_key(), signer.certificate, signer.key, now)
            renew_after = now + (cert.not_valid_after_utc.timestamp() - now) * 2 / 3
            self._leaves.pop(name, None)
            if len(self._leaves) >= _MOST_LEAVES:
                del self._leaves[next(iter(self._leaves))]
            self._leaves[name] = Leaf(name, cert, (signer.certificate,), key, renew_after)
            return self._leaves[name]

    def refresh(self) -> None:
        """Take up what was changed on disk; what cannot be used changes nothing, and is said by `warning`."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp, self._trouble = stamp, ""
            try:
                self._succession = self._changed()
                for path in self._exported:
                    keyfile.write(path, self.pem, 0o644)
            except ConfigError as error:
                self._trouble = f"{error} Until then the CA in memory signs."
            else:
                _log.warning("The CA on disk has changed: leaves are made anew.")

    def _changed(self) -> Succession:
        succession = keyfile.load(self._path)
        if succession is None:
            raise ConfigError(f"The CA's keys {self._path} are gone.", "Start the proxy again: a new CA is made.")
        if missing := _not_covered(succession.root, sorted(self._permitted)):
            raise ConfigError(
                f"The CA in {self._path} does not cover {', '.join(missing)}.", "Start the proxy again: a new CA is made."
            )
        return succession


def read(state_dir: Path) -> Succession:
    """Read the CA below `state_dir` as it is; raise ConfigError when there is none or it cannot be used."""
    path = state_dir / _DIRECTORY / _FILE
    succession = keyfile.load(path)
    if succession is None:
        raise ConfigError(f"There is no CA in {path}.", "Start the proxy, which makes it, or name its folder with --state.")
    return succession


def rotate(state_dir: Path, now: float) -> Succession:
    """Destroy the key of the intermediate that signs, so that the next one does; clients need not know.

    Raise ConfigError when there is no other that could sign now.
    """
    path = state_dir / _DIRECTORY / _FILE
    with keyfile.private_directory(path.parent):
        rest = read(state_dir).rotated(now)
        if rest is None:
            raise ConfigError(
                f"The CA in {path} has no other intermediate that is valid today.",
                'Wait until the next one begins (drydock ca), or run "drydock ca rotate --root": '
                "clients must trust a new root then.",
            )
        keyfile.write(path, keyfile.pem(rest), 0o600)
    return rest


def replace_root(state_dir: Path, now: float, copy: Path | None = None) -> Succession:
    """Make a new root for the same hosts, destroying every key of the old one; clients must trust it anew.

    Its certificate is written to `state_dir`/ca.pem and to `copy`.
    """
    path = state_dir / _DIRECTORY / _FILE
    with keyfile.private_directory(path.parent):
        new = found(permitted_hosts(read(state_dir).root) or (), now)
        keyfile.write(path, keyfile.pem(new), 0o600)
        for file in filter(None, (state_dir / "ca.pem", copy)):
            keyfile.write(file, keyfile.certificate_pem(new.root), 0o644)
    return new


def ending(succession: Succession, now: float) -> str:
    """Return a sentence when nothing can be signed in 30 days any more, otherwise nothing."""
    until = succession.signs_until(now)
    if until - now >= _WARN_BEFORE:
        return ""
    when = f"ends on {day(until)}" if until > now else "can sign nothing now"
    return f"The CA {when}. {_NEW_ROOT}"


def day(seconds: float) -> str:
    """Return the UTC date of a moment, YYYY-MM-DD."""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"


def _check_usable(path: Path, succession: Succession, now: float) -> None:
    begins, ends = Validity.of(succession.root)
    if now >= ends:
        raise ConfigError(f"The CA in {path} ended on {day(ends)}.", _NEW_ROOT)
    if now < begins:
        raise ConfigError(
            f"The CA in {path} begins on {day(begins)}, which is later than this machine's clock.",
            f"Correct the clock. If the CA was made while the clock was wrong: {_NEW_ROOT}",
        )
    if succession.signer(now) is None:
        raise ConfigError(f"No intermediate of the CA in {path} is valid by this machine's clock.", _NEW_ROOT)


def _not_covered(root: x509.Certificate, permitted: Sequence[str]) -> list[str]:
    """List the permitted hosts that a root's constraints do not cover; a root without constraints counts as none of ours."""
    covered = permitted_hosts(root)
    return sorted(host for host in permitted if covered is None or not covers(covered, host))


def _made_anew(why: str) -> str:
    return (
        f"The CA was made anew because {why}: Workers that run must be restarted to trust it (docker compose restart), "
        f"and who keeps a copy of ca.pem must take the new one."
    )


def _stamp(path: Path) -> tuple[int, int, int]:
    """Tell one state of the file from the next, which is always a new file."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)
