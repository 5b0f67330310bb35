"""The contract of the bindings, held against the stand-ins; workers/pyodide holds it against the real ones."""

import inspect
from collections.abc import Callable
from typing import Any

import d1_cases
import kv_cases
import pytest
from worker_kit.d1 import Database
from worker_kit.kv import Namespace
from worker_kit.testing import FakeD1, FakeKV

CASES = [function for module in (kv_cases, d1_cases) for name, function in vars(module).items() if name.startswith("case_")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_the_stand_in_keeps_the_contract(case: Callable[..., Any]) -> None:
    """The stand-in does what the real binding does."""
    kv, d1 = FakeKV(), FakeD1()
    given: dict[str, Any] = {"kv": Namespace(kv), "raw_kv": kv, "db": Database(d1), "raw_db": d1, "unwrapped_db": d1}
    await case(**{name: given[name] for name in inspect.signature(case).parameters})
