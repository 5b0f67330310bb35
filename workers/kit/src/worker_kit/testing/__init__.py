"""Stand-ins for bindings in CPython; the contract tests hold them to what the real bindings do."""

from worker_kit.testing.ai import FakeAI
from worker_kit.testing.d1 import FakeD1
from worker_kit.testing.env import fake_env, with_env
from worker_kit.testing.kv import FakeKV
from worker_kit.testing.service import FakeService

__all__ = ["FakeAI", "FakeD1", "FakeKV", "FakeService", "fake_env", "with_env"]
