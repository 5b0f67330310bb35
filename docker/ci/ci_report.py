"""Report a run: what was missing and how to mend it, and the certificate, whose line begins with the numbers that count."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from drydock_cache.lockfile import Locks
from drydock_proxy.certificate import Certificate, miss_line, versions

_SHOWN = 20


def certify(record: Mapping[str, Any], locks: Locks, command: Sequence[str], status: int) -> Certificate:
    """Make the certificate from the proxy's record of the run and the locks that the image follows."""
    return Certificate(record, versions(record, ()), locks.digest_of_lock if locks.files else None, tuple(command), status)


def lines(certificate: Certificate) -> list[str]:
    """Return what is printed at the end: each miss, what mends them, and at last the certificate."""
    missed = certificate.record["missed"]
    found = [miss_line(miss) for miss in missed[:_SHOWN]]
    if len(missed) > _SHOWN:
        found.append(f"and {len(missed) - _SHOWN} more")
    if missed:
        again = shlex.join(["drydock", "rehearse", "--add", "--", *certificate.command])
        found.append(f"mend: where there is a network, run this once: {again}; then build the image again: make ci-image")
    return [*found, certificate.line()]


def exit_status(certificate: Certificate, *, misses_allowed: bool) -> int:
    """Return the command's own status, or that of a miss when it succeeded with a store that did not suffice."""
    return (certificate.exit_status or 0) if misses_allowed else certificate.status
