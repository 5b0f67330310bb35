"""Squid with ssl-bump and a cache in memory: CONNECT at one port, names that lead to it at another."""

import os
import shutil
import subprocess
from pathlib import Path

from bench.place import HOST, Place, Running
from tests.upstream.child import Child, accepts, free_port

_LIBRARY = Path("/usr/lib/squid")
_CONFIGURATION = """
http_port 127.0.0.1:{connect} ssl-bump tls-cert={own}/ca.pem generate-host-certificates=on options=NO_TLSv1,NO_TLSv1_1
https_port 127.0.0.1:{port} tproxy ssl-bump tls-cert={own}/leaf.pem generate-host-certificates=off
hosts_file {own}/hosts
sslcrtd_program {library}/security_file_certgen -s {own}/certificates -M 4MB
sslcrtd_children 2 startup=1 idle=1
ssl_bump bump all
client_dst_passthru off
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest originserver default tls ssldomain={host} sslcafile={ca} forceddomain={host}
never_direct allow all
http_access allow all
cache_mem 1024 MB
maximum_object_size 200 MB
maximum_object_size_in_memory 200 MB
memory_cache_shared off
refresh_pattern . 1440 100% 1440
collapsed_forwarding on
access_log stdio:{own}/access.log
cache_log {own}/cache.log
pid_filename none
coredump_dir {own}
visible_hostname squid.example
shutdown_lifetime 0 seconds
pinger_enable off
"""


def start(place: Place, name: str) -> Running:
    """Start it with an empty cache; it may bind as tproxy (CAP_NET_ADMIN).

    tproxy takes the address that a client connected to for the one it wanted, so that no firewall has to redirect :443.
    """
    own, port, connect = place.folder("squid"), free_port(), free_port()
    leaf = place.authority.leaf(HOST)
    (own / "ca.pem").write_bytes(place.authority.certificate + place.authority.key)
    (own / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    make = [f"{_LIBRARY}/security_file_certgen", "-c", "-s", str(own / "certificates"), "-M", "4MB"]
    subprocess.run(make, check=True, capture_output=True)
    (own / "hosts").write_text(f"127.0.0.1 {HOST}\n")
    configuration = own / "squid.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            own=own,
            port=port,
            connect=connect,
            host=HOST,
            origin=place.origin_port,
            ca=place.ca,
            library=_LIBRARY,
        )
    )
    if os.geteuid() == 0:  # Squid becomes its own user then
        for path in (own, *own.rglob("*")):
            shutil.chown(path, "proxy")
    child = Child(["squid", "-N", "-f", str(configuration)], own / "squid.log", lambda: accepts(port) and accepts(connect))
    return Running(name, place.stack.enter_context(child), port, connect, place.ca)
