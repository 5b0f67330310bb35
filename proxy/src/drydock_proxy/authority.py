"""The proxy's certificate authority: made at the first start, constrained to the policy's hosts, signing leaves for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from drydock_cache.errors import ConfigError, DrydockError
from drydock_cache.patterns import PatternError, normalise_host, suffixes

from drydock_proxy import keyfile
from drydock_proxy.certificates import (
    DAY,
    Key,
    covers,
    leaf_certificate,
    new_key,
    permitted_hosts,
    root_certificate,
)

_DIRECTORY = "authority"
_FILE = "key-and-certificate.pem"
_WARN_BEFORE = 30 * DAY
# Wildcards in the policy let clients name any number of hosts.
_MOST_LEAVES = 1024


class ForbiddenHostError(DrydockError):
    """A leaf was asked for a host that the CA may not sign for."""


@dataclass(frozen=True)
class Leaf:
    """A server's certificate for one host with its key; `chain` is what a server sends after it (nothing: the root is known).

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
    """A CA that signs leaves for the permitted hosts alone; `notice` says what a user should know of how it was opened."""

    def __init__(self, directory: Path, key: Key, certificate: x509.Certificate, permitted: Sequence[str], notice: str) -> None:
        self.certificate = certificate
        self.notice = notice
        self._directory = directory
        self._key = key
        self._permitted = frozenset(permitted)
        # Leaves have a key of their own: what TLS servers hold in memory all day is not what can sign.
        self._leaf_key = new_key()
        self._leaves: dict[str, Leaf] = {}

    @classmethod
    def open(cls, state_dir: Path, permitted: Sequence[str], now: float) -> "Authority":
        """Load the CA below `state_dir`, or make one; `permitted` are hosts, `.suffix`es and addresses, `now` is in seconds.

        A CA whose constraints do not cover a permitted host is replaced, and its key is gone. The certificate alone is also
        written to `state_dir`/ca.pem. Raise ConfigError when what is there cannot be used or may have been read by others.
        """
        directory = state_dir / _DIRECTORY
        path = directory / _FILE
        notice = ""
        with keyfile.private_directory(directory):
            keyfile.remove_leftover(path)
            loaded = keyfile.load(path)
            if loaded is not None:
                _check_usable(directory, loaded[1], now)
                missing = _not_covered(loaded[1], permitted)
                if missing:
                    notice = (
                        f"The CA was made anew because the policy now intercepts {', '.join(missing)} as well: "
                        f"Workers that run must be restarted to trust it (docker compose restart)."
                    )
                    loaded = None
            if loaded is None:
                key = new_key()
                loaded = key, root_certificate(key, permitted, now)
                keyfile.write(path, keyfile.key_pem(key) + keyfile.certificate_pem(loaded[1]), 0o600)
        authority = cls(directory, *loaded, permitted, notice)
        authority.export(state_dir / "ca.pem")
        return authority

    @property
    def pem(self) -> bytes:
        """The CA's certificate as PEM, without any comment."""
        return keyfile.certificate_pem(self.certificate)

    @property
    def expires(self) -> float:
        """When the CA ends, in seconds since 1970."""
        return self.certificate.not_valid_after_utc.timestamp()

    def warning(self, now: float) -> str:
        """Return a sentence when the CA ends within 30 days, otherwise nothing."""
        if self.expires - now >= _WARN_BEFORE:
            return ""
        return f"The CA ends on {self.certificate.not_valid_after_utc:%Y-%m-%d}. {_remake(self._directory)}"

    def export(self, path: Path) -> None:
        """Write the certificate, and nothing of the key, to a file that all may read; raise ConfigError when that fails."""
        keyfile.write(path, self.pem, 0o644)

    def permits(self, host: str) -> bool:
        """Tell whether a normalised host is among those that the CA was opened for."""
        return any(pattern.removeprefix("*") in self._permitted for pattern in suffixes(host))

    def leaf(self, host: str, now: float) -> Leaf:
        """Return a certificate for a host: the last one as long as more than a third of its life remains.

        Raise ForbiddenHostError for a host that the policy does not intercept, ConfigError when the CA itself has ended.
        """
        try:
            name = normalise_host(host)
        except PatternError as error:
            raise ForbiddenHostError(f"No certificate is made for {host[:80]!r}: it {error}.") from None
        leaf = self._leaves.get(name)
        if leaf is not None and leaf.is_usable(now):
            return leaf
        if not self.permits(name):
            raise ForbiddenHostError(f"No certificate is made for {name}: the policy does not intercept it.")
        _check_usable(self._directory, self.certificate, now)
        cert = leaf_certificate(name, self._leaf_key.public_key(), self.certificate, self._key, now)
        renew_after = now + (cert.not_valid_after_utc.timestamp() - now) * 2 / 3
        if len(self._leaves) >= _MOST_LEAVES:
            del self._leaves[next(iter(self._leaves))]
        self._leaves[name] = Leaf(name, cert, (), self._leaf_key, renew_after)
        return self._leaves[name]


def _check_usable(directory: Path, root: x509.Certificate, now: float) -> None:
    if now >= root.not_valid_after_utc.timestamp():
        raise ConfigError(f"The CA in {directory} ended on {root.not_valid_after_utc:%Y-%m-%d}.", _remake(directory))
    if now < root.not_valid_before_utc.timestamp():
        raise ConfigError(
            f"The CA in {directory} begins on {root.not_valid_before_utc:%Y-%m-%d}, which is later than this machine's clock.",
            f"Correct the clock. If the CA was made while the clock was wrong: {_remake(directory)}",
        )


def _not_covered(root: x509.Certificate, permitted: Sequence[str]) -> list[str]:
    """List the permitted hosts that a root's constraints do not cover; a root without constraints counts as none of ours."""
    covered = permitted_hosts(root)
    return sorted(host for host in permitted if covered is None or not covers(covered, host))


def _remake(directory: Path) -> str:
    return f'Run "rm -r {directory}" and start again: a new CA is made, which the Workers read when they restart.'
