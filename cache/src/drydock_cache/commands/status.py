"""`drydock status`: a table of what the store has, for which Workers, and what is missing."""

import json
from dataclasses import asdict
from pathlib import Path

from drydock_cache import terminal
from drydock_cache.options import ConfigOption, JsonOption, LockOption, StoreOption, chosen_locks
from drydock_cache.overview import Row, moment, overview
from drydock_cache.store import Store

_HEADER = ("kind", "Worker", "count", "bytes", "locked", "verified", "missing", "last used")


def status(
    store: StoreOption = Path("store"),
    config: ConfigOption = Path("drydock.toml"),
    lock: LockOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what is stored of each kind for each Worker; reads the index and names, not the bytes."""
    locks = chosen_locks(config, lock)
    opened = Store.open_read_only(store)
    try:
        found = overview(opened, locks.lock)
    finally:
        opened.close()
    rows = [*found.rows, found.total()]
    if as_json:
        document = {"rows": [asdict(row) for row in found.rows], "total": asdict(rows[-1]), "verified_at": found.verified_at}
        terminal.result(json.dumps(document, indent=2))
        return
    terminal.table(_HEADER, [_cells(row) for row in rows])
    read = f"last read through {moment(found.verified_at)}" if found.verified_at else "never read through (drydock verify)"
    terminal.say(f"store {store}: {read}")


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.count, row.size, row.locked, row.verified, row.missing)
    return (row.kind, row.worker, *(f"{number:,}" for number in counts), moment(row.last_used))
