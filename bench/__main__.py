"""The command line: python -m bench runs everything, or what --rows names; --quick holds ratios to floors."""

import argparse
import sys
import time
from pathlib import Path

from bench import report
from bench.bars import BARS
from bench.machine import becomes_quiet, circumstances
from bench.results import Results, verdicts_of
from bench.row import Effort, Row
from bench.rows import ROWS
from bench.running import run, say
from bench.systems import CACHE, OURS, STARTING, STATIC

_PATIENCE_SECONDS = 240.0  # the load average remembers for minutes that an image was built
FULL, QUICK = Effort(seconds=3, connections=1000), Effort(seconds=1, connections=300)
QUICK_ROWS = (
    "hit-1k-8",
    "hit-100k-8",
    "hit-14m-8",
    "net-100k-8",
    "net-14m-8",
    "memory",
    "fairness",
    "cold-whole",
    "crowd",
    "new-",
)
QUICK_SYSTEMS = (OURS, STATIC, CACHE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure drydock beside nginx, Squid and mitmproxy.")
    parser.add_argument(
        "--rows", nargs="+", metavar="PREFIX", help="measure rows whose id begins so: " + " ".join(row.id for row in ROWS)
    )
    parser.add_argument("--systems", nargs="+", choices=STARTING, help="measure these alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, help="of load in one reading")
    parser.add_argument("--quick", action="store_true", help="few rows, held to floors well below the bars")
    parser.add_argument("--busy", action="store_true", help="measure although other programs are running; the figures say so")
    parser.add_argument("--results", type=Path, metavar="DIR", help="write the figures there, as JSON")
    parser.add_argument("--before", type=Path, metavar="FILE", help="figures of an earlier run to compare with")
    given = parser.parse_args()
    if not _chosen(given.rows, given.quick):
        parser.error(f"no row begins with {' or '.join(given.rows)}")
    return given


def _chosen(prefixes: list[str] | None, quick: bool) -> list[Row]:
    wanted = tuple(prefixes or (QUICK_ROWS if quick else [""]))
    return [row for row in ROWS if row.id.startswith(wanted)]


def main() -> int:
    """Run, print, write; return 0 when every bar that was measured is held, and nothing failed."""
    given = _arguments()
    if not (given.quick or given.busy or becomes_quiet(_PATIENCE_SECONDS, say)):
        say(
            "bench: other programs keep this machine busy (see uptime), and figures would be worth nothing; stop them, or add --busy"
        )
        return 2
    effort = QUICK if given.quick else FULL
    if given.seconds:
        effort = Effort(given.seconds, effort.connections)
    systems = given.systems or (QUICK_SYSTEMS if given.quick else tuple(STARTING))
    began = time.monotonic()
    results = Results({**circumstances(), "rounds": given.rounds, "seconds": effort.seconds})
    run(_chosen(given.rows, given.quick), systems, given.rounds, effort, results)

    limits = [(bar, bar.floor if given.quick else bar.limit) for bar in BARS]
    judged = [results.judge(bar, limit) for bar, limit in limits if limit is not None]
    verdicts = [verdict for verdict in judged if verdict is not None]
    before = verdicts_of(given.before) if given.before else {}
    print(report.figures(results, systems), report.bars(results, verdicts, before), sep="\n\n", end="\n\n")
    load = results.circumstances["load_average_before"][0]
    print(f"{time.monotonic() - began:.0f} s, TLS 1.3, EC P-256; load average before: {load:.2f}")
    if not results.circumstances["quiet"]:
        print("The machine was busy: trust ratios a little, times not at all.")
    for failure in results.failures:
        print(f"failed: {failure}")
    if given.results:
        given.results.mkdir(exist_ok=True)
        stamp = results.circumstances["date"][:16].replace(":", "")
        path = given.results / f"{stamp}.json"
        results.write(path, verdicts)
        print(f"figures: {path}")
    return int(bool(results.failures) or not all(verdict.held for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
