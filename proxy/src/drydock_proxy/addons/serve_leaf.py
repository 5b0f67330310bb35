"""TLS towards clients: hands mitmproxy an OpenSSL connection with a leaf of our own authority for the host they name."""

import logging
import time
from collections.abc import Callable
from typing import Any

from drydock_cache.errors import DrydockError
from mitmproxy import tls
from OpenSSL import SSL

from drydock_proxy.authority import Authority, Leaf
from drydock_proxy.front.contexts import TICKET_SECONDS, TLS12_CIPHERS

logger = logging.getLogger(__name__)

_MOST_CONTEXTS = 1024


class ServeLeaf:
    """Takes the place of mitmproxy's TlsConfig, which must not be loaded beside it.

    - A client that names a host by SNI, or by CONNECT where it sends none, gets the leaf for that host.
    - For a host that the authority does not permit the handshake fails, before any certificate is sent.

    TlsConfig would offer a leaf from a CA of its own making then; and it would open TLS to upstreams, which is not
    mitmproxy's business here.
    """

    def __init__(self, authority: Authority, clock: Callable[[], float] = time.time) -> None:
        self._authority = authority
        self._clock = clock
        self._contexts: dict[str, tuple[Leaf, float, SSL.Context]] = {}

    def tls_start_client(self, data: tls.TlsData) -> None:
        """Provide the TLS connection for a client; for a forbidden host one that fails at once, and log why."""
        if data.ssl_conn is not None or data.is_dtls:
            return
        address = data.context.server.address
        host = data.conn.sni or (address[0] if address else "")
        try:
            context = self._context(host)
        except DrydockError as error:
            logger.warning("%s", error)
            # A context without a certificate: with none at all mitmproxy would leave the client waiting.
            context = SSL.Context(SSL.TLS_SERVER_METHOD)
        data.ssl_conn = SSL.Connection(context)
        data.ssl_conn.set_accept_state()

    def _context(self, host: str) -> SSL.Context:
        """Return the context for a host, the same one for a day of its leaf's life, so that clients can resume their sessions."""
        now = self._clock()
        leaf = self._authority.leaf(host, now)
        known = self._contexts.get(leaf.host)
        if known is not None and known[0] is leaf and 0 <= now - known[1] < TICKET_SECONDS:
            return known[2]
        if len(self._contexts) >= _MOST_CONTEXTS:
            del self._contexts[next(iter(self._contexts))]
        context = _server_context(leaf)
        self._contexts[leaf.host] = (leaf, now, context)
        return context


def _server_context(leaf: Leaf) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_cipher_list(TLS12_CIPHERS.encode())
    context.set_session_id(b"drydock")
    context.set_alpn_select_callback(_select_http1)
    context.use_certificate(leaf.cert)
    context.use_privatekey(leaf.key)
    for certificate in leaf.chain:
        context.add_extra_chain_cert(certificate)
    return context


def _select_http1(_connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Choose HTTP/1.1, the only version spoken here; without it go on unnamed, as for a client that offers nothing."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS
