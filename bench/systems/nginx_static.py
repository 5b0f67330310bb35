"""nginx serving the origin's files itself: what every hit is compared with."""

from bench.nginx import start_nginx
from bench.place import HOST, Place, Running
from tests.upstream.child import free_port


def start(place: Place, name: str) -> Running:
    """Start it."""
    port = free_port()
    child = start_nginx(place.folder("static"), port, place.authority, HOST, root=place.content.root)
    return Running(name, place.stack.enter_context(child), port, None, place.ca)
