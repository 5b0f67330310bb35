"""The succession: the intermediates that a root signed before its key was destroyed, and which of them signs when. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography import x509

from drydock_proxy.certificates import (
    BACKDATING,
    DAY,
    LEAF_LIFETIME,
    Key,
    Validity,
    intermediate_certificate,
    new_key,
    root_certificate,
)

COUNT = 20
PERIOD = 90 * DAY
"""Seconds for which an intermediate is the one that signs, when nobody rotates."""
AHEAD = 3
"""Periods by which an intermediate may sign before its own: so often may somebody rotate at once."""
ROOM = LEAF_LIFETIME + 10 * DAY
"""Seconds that an intermediate is valid after its period, so that the last leaf of that is not cut short."""


class Intermediate(NamedTuple):
    """An intermediate CA that can sign."""

    certificate: x509.Certificate
    key: Key
    validity: Validity


@dataclass(frozen=True)
class Succession:
    """A root without its key, and the intermediates that are left, in the order in which they take over."""

    root: x509.Certificate
    intermediates: tuple[Intermediate, ...]

    @property
    def ends(self) -> float:
        """When the root ends, in seconds since 1970."""
        return Validity.of(self.root).ends

    def signer(self, now: float) -> Intermediate | None:
        """Return the first intermediate that outlives a leaf made now, else the one that lives longest; None if none is valid."""
        valid = [one for one in self.intermediates if one.validity.holds(now)]
        lasting = (one for one in valid if one.validity.ends >= now + ROOM)
        return next(lasting, None) or max(valid, key=lambda one: one.validity.ends, default=None)

    def signs_until(self, now: float) -> float:
        """Return until when leaves can be signed without a break; `now` when none can be."""
        until = now
        for one in self.intermediates:
            if one.validity.begins <= until < one.validity.ends:
                until = one.validity.ends
        return until

    def rotations(self, now: float) -> int:
        """Count how often the signer can be replaced at this moment."""
        count, rest = 0, self.rotated(now)
        while rest is not None:
            count, rest = count + 1, rest.rotated(now)
        return count

    def rotated(self, now: float) -> "Succession | None":
        """Return the succession without its signer and those before it; None when no other could sign now."""
        signer = self.signer(now)
        if signer is None:
            return None
        rest = Succession(self.root, self.intermediates[self.intermediates.index(signer) + 1 :])
        return rest if rest.signer(now) else None


def found(permitted: Iterable[str], now: float) -> Succession:
    """Make a root and the intermediates that it signs; its key is gone when this returns.

    `permitted` are hosts, `.suffix`es and addresses, as `root_certificate` takes them.
    """
    root_key = new_key()
    root = root_certificate(root_key, permitted, now)
    intermediates = []
    for number in range(COUNT):
        key, validity = new_key(), _validity(number, now)
        certificate = intermediate_certificate(key.public_key(), validity, root, root_key)
        intermediates.append(Intermediate(certificate, key, Validity.of(certificate)))
    return Succession(root, tuple(intermediates))


def _validity(number: int, start: float) -> Validity:
    begins = start + number * PERIOD
    return Validity(max(start, begins - AHEAD * PERIOD) - BACKDATING, begins + PERIOD + ROOM)
