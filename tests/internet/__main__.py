"""Play the internet until SIGTERM: python -m tests.internet --www DIR --ca FILE --state DIR."""

import argparse
import signal
import sys
from pathlib import Path

from tests.internet.control import Control
from tests.internet.site import Site
from tests.upstream.log import Log
from tests.upstream.pki import Authority
from tests.upstream.server import Certificates, Server, listen

# What a client that sends no SNI is shown.
NAMELESS = "nameless.invalid"
# They answer every path with JSON about the request.
APIS = ("api.example.net", "discord.com", "drydock.api.sanity.io")


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--www", type=Path, required=True, help="tree of HOST/PATH")
    parser.add_argument("--ca", type=Path, required=True, help="where to write the certificate of its root")
    parser.add_argument("--state", type=Path, required=True, help="where the root's key is kept over restarts")
    parser.add_argument("--address", default="0.0.0.0")
    parser.add_argument("--tls-port", type=int, default=443)
    parser.add_argument("--control-port", type=int, default=8081)
    parser.add_argument("--api", action="append", default=[], metavar="HOST", help="answer every path of HOST with JSON")
    arguments = parser.parse_args()
    # Block before threads start: they inherit it, and the signals wait for sigwait below.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    authority = Authority.kept_in(arguments.state, "Internet test root")
    authority.write(arguments.ca)
    log, control_log = Log(), Log()
    site = Site(arguments.www, authority, frozenset(arguments.api or APIS))
    secure = listen(arguments.address, arguments.tls_port, Certificates(authority, None, NAMELESS))
    plain = listen(arguments.address, arguments.control_port, None)
    servers = [
        Server(site.find, (secure,), log),
        Server(Control(site, log, authority).find, (plain,), control_log),
    ]
    for server in servers:
        server.start()
    print("playing the internet", *(listener.socket.getsockname() for listener in (secure, plain)), flush=True)
    signal.sigwait(signals)
    for server in servers:
        server.stop()
    sys.exit("\n".join([*log.failures, *control_log.failures]) or 0)


if __name__ == "__main__":
    main()
