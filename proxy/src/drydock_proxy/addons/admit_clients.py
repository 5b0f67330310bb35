"""Admitting clients: a connection from a network that is not served is closed before a byte of it is read."""

from mitmproxy.connection import Client

from drydock_proxy.admission import Admission
from drydock_proxy.refusing import Refusing


class AdmitClients:
    """Closes what the admission does not let in, on every port of mitmproxy's, and says so."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._refusing = Refusing()

    def client_connected(self, client: Client) -> None:
        """Mark a connection as failed; mitmproxy closes it then."""
        if not self.admits(client.peername[0]):
            client.error = "drydock does not serve this network"

    def admits(self, address: str) -> bool:
        """Tell whether a client is served; of one that is not, a line is written."""
        if self._admission.admits(address):
            return True
        self._refusing.say(address, "its network is not served", f"Start the proxy with --allow-client {address}")
        return False
