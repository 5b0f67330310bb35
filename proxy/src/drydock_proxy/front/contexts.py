"""TLS contexts of the front: one a host, so that clients can resume their sessions, made anew with the leaf and each day."""

import os
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from drydock_proxy import keyfile
from drydock_proxy.authority import Authority, Leaf
from drydock_proxy.front.tls_socket import TlsSocket

# For TLS 1.2: the suites with forward secrecy and authenticated encryption that an ECDSA leaf serves; 1.3 has no others.
TLS12_CIPHERS = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
_MOST_CONTEXTS = 1024
# Whoever learns the key of session tickets reads what TLS 1.2 clients resumed with them; it is the context's.
TICKET_SECONDS = 24 * 3600.0
_SURE_SECONDS = 1.0  # then a rotated CA, or a leaf that grew old, is looked for


@dataclass(frozen=True)
class _Known:
    leaf: Leaf
    context: ssl.SSLContext
    made: float
    asked: float

    def is_fit(self, leaf: Leaf, now: float) -> bool:
        return self.leaf is leaf and 0 <= now - self.made < TICKET_SECONDS


class Contexts:
    """Gives the context for a host; safe in any thread."""

    def __init__(self, authority: Authority, clock: Callable[[], float] = time.time) -> None:
        self._authority = authority
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def of(self, host: str) -> ssl.SSLContext:
        """Return the context for a normalised host; raise DrydockError when the authority signs nothing for it."""
        now = self._clock()
        known = self._known.get(host)
        # a clock that was set back, or far ahead, must not leave an expired leaf in use
        if known is not None and 0 <= now - known.asked < _SURE_SECONDS:
            return known.context
        with self._lock:
            leaf = self._authority.leaf(host, now)
            if known is None or not known.is_fit(leaf, now):
                if len(self._known) >= _MOST_CONTEXTS:
                    del self._known[next(iter(self._known))]
                known = _Known(leaf, server_context(leaf), now, now)
            self._known[host] = replace(known, asked=now)
            return known.context


def server_context(leaf: Leaf) -> ssl.SSLContext:
    """Make a context that serves a leaf, and HTTP/1.1 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(TLS12_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 1  # each costs a tenth of the handshake, and the next connection brings a new one
    pem = keyfile.key_pem(leaf.key) + b"".join(keyfile.certificate_pem(one) for one in (leaf.cert, *leaf.chain))
    # the ssl module reads keys from files alone: this one is in memory, and nobody else's
    descriptor = os.memfd_create("leaf", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context
