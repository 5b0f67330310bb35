"""What is counted, as JSON and for Prometheus."""

import json
import re

from drydock_proxy.tally import Tally


def test_all_counts_are_in_the_snapshot() -> None:
    """The snapshot is ready for JSON, with outcomes in order."""
    tally = Tally()
    tally.requests.update(["miss", "hit", "hit"])
    tally.tunnels.update(["opened"])
    tally.bytes_served, tally.bytes_tunnelled, tally.names_refused = 10, 20, 3
    snapshot = json.loads(json.dumps(tally.snapshot(upstream_connections=4)))
    assert snapshot.pop("uptime_seconds") >= 0
    assert snapshot == {
        "requests": {"hit": 2, "miss": 1},
        "tunnels": {"opened": 1},
        "bytes_served": 10,
        "bytes_tunnelled": 20,
        "names_refused": 3,
        "upstream_connections": 4,
    }


def test_metrics_have_help_type_and_value() -> None:
    """Each metric is announced before its values, and names end with their unit and _total."""
    tally = Tally()
    tally.requests["hit"] += 2
    lines = tally.metrics(upstream_connections=4).splitlines()
    assert 'drydock_requests_total{outcome="hit"} 2' in lines
    assert "drydock_upstream_connections_total 4" in lines
    announced: set[str] = set()
    for line in lines:
        if match := re.fullmatch(r"# (HELP|TYPE) (\w+) .+", line):
            announced.add(f"{match[1]} {match[2]}")
        else:
            name = re.split(r"[{ ]", line)[0]
            assert {f"HELP {name}", f"TYPE {name}"} <= announced
            assert name.endswith("_total")
