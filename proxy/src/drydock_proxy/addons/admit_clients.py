"""Admitting clients: a connection from a network that is not served is closed before a byte of it is read."""

import time

from mitmproxy.connection import Client

from drydock_proxy.admission import Admission
from drydock_proxy.journal import log_access

_SAID_AGAIN_SECONDS = 60.0
_REMEMBERED = 1000


class AdmitClients:
    """Closes what the admission does not let in, on every port of mitmproxy's, and says so once a minute and address."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._said: dict[str, float] = {}

    def client_connected(self, client: Client) -> None:
        """Mark a connection as failed; mitmproxy closes it then."""
        if not self.admits(client.peername[0]):
            client.error = "drydock does not serve this network"

    def admits(self, address: str) -> bool:
        """Tell whether a client is served; of one that is not, a line is written."""
        if self._admission.admits(address):
            return True
        now = time.monotonic()
        if now - self._said.get(address, -_SAID_AGAIN_SECONDS) < _SAID_AGAIN_SECONDS:
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[address] = now
        log_access(
            "refused", client=address, reason="its network is not served", mend=f"Start the proxy with --allow-client {address}"
        )
        return False
