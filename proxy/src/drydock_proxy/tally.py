"""The tally: what the proxy counted since it started, for /stats, /metrics and the proof that a run was offline."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from drydock_proxy.record import TUNNEL, Asked, Record


@dataclass
class Tally:
    """Counts since the start; `bytes_served` counts content bytes that were handed towards clients."""

    started: float = field(default_factory=time.time)
    requests: Counter[str] = field(default_factory=Counter)
    tunnels: Counter[str] = field(default_factory=Counter)
    bytes_served: int = 0
    bytes_tunnelled: int = 0
    names_refused: int = 0
    since_start: Record = field(default_factory=Record)
    rehearsal: Record | None = None
    # hits are counted in threads
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, asked: Asked) -> None:
        """Count one answer, or one attempt at a tunnel, here and in the records that are kept."""
        with self._lock:
            if asked.method == TUNNEL:
                self.tunnels[asked.outcome] += 1
            else:
                self.requests[asked.outcome] += 1
                self.bytes_served += asked.sent
            self.since_start.note(asked)
            if self.rehearsal is not None:
                self.rehearsal.note(asked)

    def note_hit(self, sent: int) -> None:
        """Count one answer that the store alone gave, with `sent` bytes of content: what `note` does for it, quickly."""
        with self._lock:
            self.requests["hit"] += 1
            self.bytes_served += sent
            self.since_start.note_hit(sent)
            if self.rehearsal is not None:
                self.rehearsal.note_hit(sent)

    def snapshot(self, upstream_connections: int) -> dict[str, object]:
        """Return all counts as one JSON-ready mapping; times in seconds, sizes in bytes."""
        return {
            "uptime_seconds": round(time.time() - self.started, 1),
            "requests": dict(sorted(self.requests.items())),
            "tunnels": dict(sorted(self.tunnels.items())),
            "bytes_served": self.bytes_served,
            "bytes_tunnelled": self.bytes_tunnelled,
            "names_refused": self.names_refused,
            "upstream_connections": upstream_connections,
        }

    def metrics(self, upstream_connections: int) -> str:
        """Return the counts in the Prometheus text format."""
        lines = [
            "# HELP drydock_requests_total Requests for intercepted hosts, by outcome.",
            "# TYPE drydock_requests_total counter",
            *(f'drydock_requests_total{{outcome="{name}"}} {count}' for name, count in sorted(self.requests.items())),
            "# HELP drydock_tunnels_total Connections to other hosts, by outcome.",
            "# TYPE drydock_tunnels_total counter",
            *(f'drydock_tunnels_total{{outcome="{name}"}} {count}' for name, count in sorted(self.tunnels.items())),
        ]
        for name, text, value in (
            ("served_bytes_total", "Content bytes handed towards clients.", self.bytes_served),
            ("tunnelled_bytes_total", "Bytes passed on unread, both ways.", self.bytes_tunnelled),
            ("names_refused_total", "DNS questions for names outside the policy.", self.names_refused),
            ("upstream_connections_total", "TCP connections tried to upstream hosts and proxies.", upstream_connections),
        ):
            lines += [f"# HELP drydock_{name} {text}", f"# TYPE drydock_{name} counter", f"drydock_{name} {value}"]
        return "\n".join(lines) + "\n"
