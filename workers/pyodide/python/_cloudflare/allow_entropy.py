"""Randomness while a Worker starts: workerd refuses it, this harness allows it, so leave is given and not counted."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def allow_bad_entropy_calls(_calls: int) -> Iterator[None]:
    """Allow the calls within; they are allowed anyhow."""
    yield
