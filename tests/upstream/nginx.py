"""Real nginx in the foreground, serving a directory or whatever its configuration says."""

from pathlib import Path

from tests.upstream.child import Child, accepts, free_port
from tests.upstream.pki import Authority

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  default_type application/octet-stream;
  log_format seen '$request_method $host$request_uri $status $body_bytes_sent '
                  'range=$http_range if-none-match=$http_if_none_match';
  access_log {directory}/access.log seen;
  server {{
    listen 127.0.0.1:{port} {tls};
    server_name {name};
    root {root};
    {server}
  }}
}}
"""


class Nginx(Child):
    """Serves `root` on a free port of 127.0.0.1, with TLS where an authority is given.

    directory: for its files; must exist. server: more lines for the server block.
    """

    def __init__(
        self, directory: Path, root: Path, *, authority: Authority | None = None, name: str = "assets.example", server: str = ""
    ) -> None:
        self.port = free_port()
        self.name = name
        self._scheme = "https" if authority else "http"
        self._access = directory / "access.log"
        if authority is not None:
            leaf = authority.leaf(name)
            certificate, key = directory / "leaf.pem", directory / "leaf.key"
            certificate.write_bytes(leaf.certificate)
            key.write_bytes(leaf.key)
            server += f"\n    ssl_certificate {certificate};\n    ssl_certificate_key {key};"
        configuration = directory / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                directory=directory, port=self.port, tls="ssl" if authority else "", name=name, root=root, server=server
            )
        )
        command = ["nginx", "-p", str(directory), "-c", str(configuration), "-e", "stderr"]
        super().__init__(command, directory / "nginx.log", lambda: accepts(self.port))

    def url(self, path: str) -> str:
        """Return the URL of a path; needs `resolve` unless the server is plain and named by address."""
        return f"{self._scheme}://{self.name}:{self.port}{path}"

    @property
    def resolve(self) -> list[str]:
        """Return HOST=ADDRESS:PORT, as `drydock proxy --resolve` takes it."""
        return [f"{self.name}=127.0.0.1:{self.port}"]

    def seen(self) -> list[str]:
        """Return a line for each request: method, URL, status, bytes, range, if-none-match."""
        return self._access.read_text().splitlines() if self._access.exists() else []
