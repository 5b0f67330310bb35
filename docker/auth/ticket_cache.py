"""The file in which Kerberos keeps tickets (its "ccache", version 4): whose they are, and how long the one that counts holds."""

from typing import NamedTuple

_VERSION_4 = 0x0504
# Entries of a cache that are no tickets: libkrb5 keeps what it learned under this realm.
_NO_TICKET = "@X-CACHECONF:"


class Ticket(NamedTuple):
    """Whose a ticket is, and its times in seconds since 1970; `renewable_until` is 0 where it cannot be renewed."""

    principal: str
    server: str
    start: int
    end: int
    renewable_until: int


def read_ticket(cache: bytes) -> Ticket:
    """Return the ticket that others come from, or the one that holds longest where a cache has none such; raise ValueError."""
    reader = _Reader(cache)
    if reader.number(2) != _VERSION_4:
        raise ValueError("it is no cache of tickets")
    reader.take(reader.number(2))
    principal = reader.principal()
    found = []
    while not reader.at_end():
        ticket = _credential(reader, principal)
        if not ticket.server.endswith(_NO_TICKET):
            found.append(ticket)
    if not found:
        raise ValueError("it holds no ticket")
    return max(found, key=lambda ticket: (ticket.server.startswith("krbtgt/"), ticket.end))


def _credential(reader: "_Reader", principal: str) -> Ticket:
    reader.principal()
    server = reader.principal()
    reader.take(2)  # the kind of the key, which follows
    reader.data()
    authenticated, start, end, renewable_until = (reader.number() for _ in range(4))
    reader.take(1 + 4)  # is_skey, flags
    for _ in range(2):  # addresses, authorization data
        for _ in range(reader.number()):
            reader.take(2)
            reader.data()
    reader.data()  # the ticket itself
    reader.data()  # a second one
    return Ticket(principal, server, start or authenticated, end, renewable_until)


class _Reader:
    def __init__(self, cache: bytes) -> None:
        self._cache = cache
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._cache)

    def take(self, size: int) -> bytes:
        taken = self._cache[self._at : self._at + size]
        if len(taken) != size:
            raise ValueError("it ends too early")
        self._at += size
        return taken

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size))

    def data(self) -> bytes:
        return self.take(self.number())

    def principal(self) -> str:
        self.take(4)  # the kind of name
        count = self.number()
        realm = self.data().decode()
        return "/".join(self.data().decode() for _ in range(count)) + f"@{realm}"
