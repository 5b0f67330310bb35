"""The faults that proxy and store must survive, row by row, and where a row has no meaning, the reason."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

PATHS = ("hit", "miss")
WAYS = ("sni", "connect")
ALONE = ""
_SHOWN = {"sni": ":443", "connect": "CONNECT"}


class Cell(NamedTuple):
    """What a test of a row covers: the store's part (hit or miss) and the client's way in; empty for a row without clients."""

    path: str = ALONE
    way: str = ALONE

    def __str__(self) -> str:
        return f"{self.path} {_SHOWN.get(self.way, self.way)}" if self.way else "without clients"


CELLS = tuple(Cell(path, way) for path in PATHS for way in WAYS)


@dataclass(frozen=True)
class Row:
    """One fault. `exempt` maps `hit`, `miss`, `sni`, `connect` or `hit sni` to the reason why that says nothing of the fault.

    `alone` is the reason why no client is involved; such a row has one cell.
    """

    fault: str
    exempt: Mapping[str, str] = field(default_factory=dict)
    alone: str = ""

    def cells(self) -> Iterator[Cell]:
        """Yield the cells that need a test."""
        if self.alone:
            yield Cell()
        else:
            yield from (cell for cell in CELLS if not self.reason(cell))

    def reason(self, cell: Cell) -> str:
        """Return why a cell needs no test; empty when it does."""
        if self.alone:
            return self.alone if cell.way else ""
        return next((self.exempt[name] for name in (cell.path, cell.way, " ".join(cell)) if name in self.exempt), "")


_ARCHIVE = "an archive is read from a file, by a command"
_OWN = "the proxy's own certificates and keys, looked at as they are made and when it starts"

ROWS: Mapping[str, Row] = {
    "F00": Row("warm hit"),
    "F01": Row("Content-Length short"),
    "F02": Row("truncated chunked"),
    "F03": Row("missing last chunk"),
    "F04": Row("RST in the middle of the body"),
    "F05": Row("close-delimited short body"),
    "F06": Row("403 policy HTML, marked public"),
    "F07": Row("200 captive portal HTML"),
    "F08": Row("206 to a plain GET"),
    "F09": Row("304 to an unconditional GET"),
    "F10": Row("Set-Cookie"),
    "F11": Row("503"),
    "F12": Row("two Content-Lengths"),
    "F13": Row("Content-Length and Transfer-Encoding"),
    "F14": Row("bad bytes once"),
    "F15": Row("Range first"),
    "F16": Row("20 cold concurrent"),
    "F17": Row("client abort"),
    "F18": Row("SIGKILL in the middle of a download"),
    "F19": Row("SIGKILL after store", {"miss": "the row is about what is stored by then; F18 has the download that is not"}),
    "F20": Row("origin down, cached", {"miss": "F21 is the row of what is not cached"}),
    "F21": Row("origin down, uncached", {"hit": "F20 is the row of what is cached"}),
    # miss: the damage is found by the origin, which makes a miss of it; hit: by the front, which had the content at hand
    "F22": Row("bit flip in a blob"),
    "F23": Row("blob cut in half"),
    "F24": Row("blob deleted live"),
    "F25": Row("origin stalls"),
    "F26": Row("disk full"),
    "F27": Row("400 slow heads"),
    "28": Row("descriptors run out"),
    "29": Row("slow link"),
    "30": Row("packet loss"),
    "31": Row("upstream flapping"),
    "32": Row("read-only store"),
    "33": Row("endless or oversize body"),
    "34": Row("two proxies, one store"),
    "35": Row("clock skew and leaps", {"miss": "the row is about hits; a client must verify before it asks for either"}),
    "36": Row("end of leaf and CA", alone=_OWN),
    "37": Row("rotation of the CA", {"miss": "what a client verifies comes before its request, and is the same for both"}),
    "38": Row("permissions of the CA's keys", alone=_OWN),
    "39": Row(
        "scope of the CA", alone="clients are shown a leaf for a host outside the policy, which the proxy itself never makes"
    ),
    "40": Row("addresses that must not be reached"),
    "41": Row("open proxy", {"hit": "a client is refused as it is accepted, before it can say what it wants"}),
    "42": Row("Host, SNI and authority disagree"),
    "43": Row("unkeyed inputs"),
    "44": Row("path traversal"),
    "45": Row("header abuse"),
    "46": Row("request smuggling"),
    "47": Row("103, redirects"),
    "48": Row("hostile import archives", alone=_ARCHIVE),
    "49": Row("bombs, many entries", alone=_ARCHIVE),
    "50": Row("tampered export", alone=_ARCHIVE),
    "51": Row("SIGKILL in the middle of an import", alone=_ARCHIVE),
    "52": Row("lock tampered with, rolled back", alone="a lock is read by commands and when the proxy starts"),
    "53": Row("wrong password for the corporate proxy", {"hit": "what is stored needs no way out; F20 shows it"}),
}
