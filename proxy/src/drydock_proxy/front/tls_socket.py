"""TLS sockets of the front: what fails on one connection is not taken for the failure of the next."""

import ssl
from typing import Any

_SPARE = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
_UNFINISHED = (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError)


class TlsSocket(ssl.SSLSocket):
    """A TLS socket that leaves nothing in its thread's queue of errors.

    OpenSSL keeps a queue of errors for each thread, and looks there to tell why a call did not finish. Python 3.14 leaves the
    error of a connection that was reset in it. The thread's next client, which only has to be waited for, then counts as reset, too.
    """

    def send(self, data: Any, flags: int = 0) -> int:
        """Send what fits."""
        try:
            return ssl.SSLSocket.send(self, data, flags)
        except OSError as error:
            _forget(error)
            raise

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read what has come; `recv` calls this."""
        try:
            return ssl.SSLSocket.read(self, len, buffer)
        except OSError as error:
            _forget(error)
            raise

    def do_handshake(self, block: bool = False) -> None:
        """Go on with the handshake."""
        try:
            ssl.SSLSocket.do_handshake(self, block)
        except OSError as error:
            _forget(error)
            raise

    def unwrap(self) -> Any:
        """End TLS."""
        try:
            return ssl.SSLSocket.unwrap(self)
        except OSError as error:
            _forget(error)
            raise


def _forget(error: OSError) -> None:
    """Empty this thread's queue of errors, which making a TLS object does first of all, unless nothing has failed."""
    if not isinstance(error, _UNFINISHED):
        _SPARE.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
