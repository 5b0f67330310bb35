"""nginx as Debian configures it, with two workers and TLS 1.3: the origin, and two of the systems."""

import os
from pathlib import Path

from tests.upstream.child import Child, accepts
from tests.upstream.pki import Authority

# Debian's own settings: sendfile, tcp_nopush, a log line for each request. Connections may live on, so that hits are measured.
_CONFIGURATION = """
daemon off;
{user}
worker_processes 2;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 768; }}
http {{
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  default_type application/octet-stream;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  access_log {directory}/access.log;
  keepalive_requests 1000000000;
  ssl_protocols TLSv1.3;
  {http}
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name {name};
    ssl_certificate {directory}/leaf.pem;
    ssl_certificate_key {directory}/leaf.key;
    {root}
    {server}
  }}
}}
"""


def start_nginx(
    directory: Path,
    port: int,
    authority: Authority,
    name: str,
    *,
    root: Path | None = None,
    http: str = "",
    server: str = "",
) -> Child:
    """Return nginx, ready to be entered, with an EC P-256 leaf for `name`; `http` and `server` are further lines."""
    leaf = authority.leaf(name)
    (directory / "leaf.pem").write_bytes(leaf.certificate)
    (directory / "leaf.key").write_bytes(leaf.key)
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            # as root, workers would become nobody, who may not read the folder
            user="user root;" if os.geteuid() == 0 else "",
            directory=directory,
            port=port,
            name=name,
            http=http,
            root=f"root {root};" if root else "",
            server=server,
        )
    )
    command = ["nginx", "-p", str(directory), "-c", str(configuration), "-e", "stderr"]
    return Child(command, directory / "nginx.log", lambda: accepts(port))
