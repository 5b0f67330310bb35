"""nginx as a caching reverse proxy: what every miss is compared with."""

from bench.nginx import start_nginx
from bench.place import HOST, Place, Running
from tests.upstream.child import free_port

_HTTP = """
proxy_cache_path {directory}/cache keys_zone=bench:10m max_size=20g inactive=1d use_temp_path=off;
upstream origin {{ server 127.0.0.1:{origin}; keepalive 8; }}
"""
# Upstream's certificate is checked, as ours is; one request for all who wait, as ours makes.
_SERVER = """
location / {{
  proxy_pass https://origin;
  proxy_http_version 1.1;
  proxy_set_header Host {host};
  proxy_set_header Connection "";
  proxy_ssl_server_name on;
  proxy_ssl_name {host};
  proxy_ssl_verify on;
  proxy_ssl_protocols TLSv1.3;
  proxy_ssl_trusted_certificate {ca};
  proxy_cache bench;
  proxy_cache_valid 200 1d;
  proxy_cache_lock on;
}}
"""


def start(place: Place, name: str) -> Running:
    """Start it with an empty cache."""
    port, own = free_port(), place.folder("cache")
    http = _HTTP.format(directory=own, origin=place.origin_port)
    server = _SERVER.format(host=HOST, ca=place.ca)
    child = start_nginx(own, port, place.authority, HOST, http=http, server=server)
    return Running(name, place.stack.enter_context(child), port, None, place.ca)
