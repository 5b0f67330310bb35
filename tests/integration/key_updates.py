"""A client that changes its key as often as it likes."""

import socket
import ssl
from pathlib import Path

from tests.integration.running import RunningProxy
from tests.upstream.tls_records import TrafficKeys


class KeyUpdates:
    """A connection of `client` (its address) to a host by way of the TLS port, of which nothing was used but the handshake."""

    def __init__(self, proxy: RunningProxy, host: str, directory: Path, client: str) -> None:
        secrets = directory / "secrets"
        secrets.unlink(missing_ok=True)
        context = ssl.create_default_context(cafile=str(proxy.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = str(secrets)
        raw = socket.create_connection(proxy.tls_address, timeout=10, source_address=(client, 0))
        with context.wrap_socket(raw, server_hostname=host) as tls:
            keys = TrafficKeys(tls, secrets, "CLIENT")
            self.socket = socket.socket(fileno=tls.detach())
        self.records, self.data = keys.updates, keys.data
