"""One typed REST API over Sanity, KV, D1 and Workers AI; nothing here imports the runtime, so CPython can test all of it."""
