"""A host that never answers, as behind a firewall that drops packets."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def unanswering() -> Iterator[int]:
    """Give a port where a connection is neither taken nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(2):  # what the kernel takes for a backlog of none
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield full.getsockname()[1]
