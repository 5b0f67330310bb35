"""All rules, in the order of their codes."""

from worker_kit.check.rule import Rule
from worker_kit.check.rules import (
    after_response,
    async_locks,
    byte_bodies,
    calculated_ids,
    cookies,
    environ,
    files,
    lost_tasks,
    monotonic,
    none_bound,
    raw_headers,
    raw_options,
    row_dicts,
    runtime_imports,
    sqlite_files,
    sync_scope,
    threads,
    unawaited,
)

_MODULES = (
    *(threads, async_locks, files, sqlite_files, raw_options, raw_headers, byte_bodies, row_dicts, none_bound),
    *(unawaited, environ, monotonic, sync_scope, after_response, cookies, calculated_ids, lost_tasks, runtime_imports),
)
RULES: tuple[Rule, ...] = tuple(sorted((module.RULE for module in _MODULES), key=lambda rule: rule.code))
