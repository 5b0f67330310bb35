"""The plugin of pytest, and the scheduler of pytest-xdist that it makes: pytest --numprocesses 2 -p tests.beside.scheduling."""

import time
from collections import deque
from collections.abc import Callable, Sequence

import pytest
from xdist.report import report_collection_diff
from xdist.workermanage import WorkerController

from tests.beside.parts import Block, Part, blocks_of

type Say = Callable[[str], None]


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config) -> "Beside":
    """Schedule as this module does, wherever it is loaded."""
    processes = config.getoption("numprocesses")
    if processes != 2:
        raise pytest.UsageError(f"tests.beside.scheduling runs two parts beside each other: --numprocesses 2, not {processes}")
    reporter = config.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        if reporter:
            if config.get_terminal_writer().width_of_current_line:  # dots
                reporter.write_line("")
            reporter.write_line(line)

    return Beside(say)


class Beside:
    """Two processes: the first runs the containers' tests, the second those that are patient, each helps the other out with those.

    Whoever finds nothing left ends, with the fixtures of its session; the other then runs alone what must be alone.
    A worker begins a test when it knows the next one, or that there is none: until then it holds its last one back.
    """

    def __init__(self, say: Say) -> None:
        self.numnodes = 2
        self.collection: list[str] | None = None
        self._say = say
        self._began = time.monotonic()
        self._collections: dict[WorkerController, list[str]] = {}
        self._pending: dict[WorkerController, list[int]] = {}
        self._waiting: dict[Part, deque[Block]] = {part: deque() for part in Part}
        self._is_alone = False

    @property
    def nodes(self) -> list[WorkerController]:
        """The workers that have not ended."""
        return list(self._pending)

    @property
    def collection_is_completed(self) -> bool:
        """Whether both have collected."""
        return len(self._collections) >= self.numnodes

    @property
    def has_pending(self) -> bool:
        """Whether tests wait, or run."""
        return any(self._waiting.values()) or any(self._pending.values())

    @property
    def tests_finished(self) -> bool:
        """Whether every test has been handed to a worker, which needs no further one to begin its last."""
        return (
            self.collection_is_completed
            and not any(self._waiting.values())
            and all(len(pending) < 2 for pending in self._pending.values())
        )

    def add_node(self, node: WorkerController) -> None:
        """Take a worker in that has started."""
        self._pending[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take in what a worker collected."""
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Hand out the first tests, when both workers have collected the same."""
        (first, collection), *others = self._collections.items()
        for node, found in others:
            if difference := report_collection_diff(collection, found, first.gateway.id, node.gateway.id):
                raise pytest.UsageError(difference)
        self.collection = collection
        for block in blocks_of(collection):
            self._waiting[block.part].append(block)
        count = {part: sum(len(block.tests) for block in blocks) for part, blocks in self._waiting.items()}
        self._say(
            f"{count[Part.CONTAINERS]} tests with containers beside {count[Part.PATIENT]} that are patient, "
            f"then {count[Part.ALONE]} alone"
        )
        for node in self.nodes:
            self._feed(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Note that a worker has run a test."""
        self._pending[node].remove(item_index)
        self._feed(node)

    def mark_test_pending(self, item: str) -> None:
        """Refuse to run a test again: nothing of the suite asks for it."""
        raise RuntimeError(f"{item} is to run once more, and here each test runs once")

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """Refuse to take tests back: nothing here asks a worker for that."""
        raise RuntimeError(
            f"{len(indices)} tests of {node.gateway.id} are to go elsewhere, and here each stays where it was sent"
        )

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a worker that ended; return the test that it was in, where it crashed."""
        pending = self._pending.pop(node)
        if pending:
            assert self.collection is not None
            return self.collection[pending[0]]
        for other in self.nodes:
            self._feed(other)
        return None

    def _feed(self, node: WorkerController) -> None:
        """See to it that a worker knows the test after the next."""
        while len(self._pending[node]) < 2 and not node.shutting_down:
            if block := self._next(node):
                self._pending[node].extend(block.tests)
                node.send_runtest_some(list(block.tests))
            elif self._waiting[Part.ALONE] and any(other.shutting_down for other in self.nodes):
                return  # until the other has ended
            else:
                node.shutdown()

    def _next(self, node: WorkerController) -> Block | None:
        """Take the next block for a worker out of those that wait."""
        parts = [Part.CONTAINERS, Part.PATIENT] if node is self.nodes[0] else [Part.PATIENT]
        if len(self.nodes) == 1:
            parts = list(Part)
        for part in parts:
            if self._waiting[part]:
                if part is Part.ALONE and not self._is_alone:
                    self._is_alone = True
                    self._say(f"alone, after {(time.monotonic() - self._began) / 60:.0f} minutes")
                return self._waiting[part].popleft()
        return None
