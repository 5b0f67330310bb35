"""What a rule is: a code, a sentence, the mend, the search, and the examples that prove it."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from worker_kit.check.module import Module


@dataclass(frozen=True)
class Rule:
    """One trap of the runtime that can be seen in source.

    Each line of a bad example that ends in `# bad` is a line the rule must report, and it may report no other;
    a good example must pass. The tests hold every rule to both, and `worker-kit check --explain` shows them.
    """

    code: str
    """`WK` and three digits; flake8 selects and ignores by it."""
    sentence: str
    mend: str
    find: Callable[[Module], Iterator[ast.AST]]
    """The nodes that fall into the trap, in any order."""
    bad: tuple[str, ...]
    good: tuple[str, ...]
