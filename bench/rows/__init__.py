"""The rows of the table: one kind of measurement each."""

from bench.rows.cold import COLD
from bench.rows.connections import CONNECTIONS
from bench.rows.crowd import CROWD
from bench.rows.fairness import FAIRNESS
from bench.rows.hits import HITS
from bench.rows.large_store import LARGE_STORE
from bench.rows.memory import MEMORY
from bench.rows.starting import STARTING

ROWS = (*HITS, *MEMORY, *FAIRNESS, *COLD, *CROWD, *CONNECTIONS, *STARTING, *LARGE_STORE)
