"""Whatever the suite is made of and whichever process is faster: every test runs once, and nothing beside what must be alone."""

import random
from collections import deque
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.beside.parts import Part, part_of
from tests.beside.scheduling import Beside

FILES = ("tests/e2e/test_a.py", "tests/e2e/test_b.py", "workers/w/test_c.py", "workers/w/test_d.py", "tests/soak/test_e.py")


class Worker:
    """Runs what it is sent as a worker of pytest-xdist does: it begins a test when it knows the next one, or that none comes."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.queue: deque[int] = deque()
        self.running: int | None = None

    def send_runtest_some(self, tests: list[int]) -> None:
        assert not self.shutting_down, "it would never run them"
        self.queue.extend(tests)

    def shutdown(self) -> None:
        self.shutting_down = True

    def may_step(self) -> bool:
        return self.running is not None or len(self.queue) > 1 or self.shutting_down


@given(
    modules=st.lists(st.tuples(st.sampled_from(FILES), st.integers(1, 4)), max_size=8, unique_by=lambda module: module[0]),
    speed=st.sampled_from([0.1, 0.5, 0.9]),
    seed=st.integers(0, 1000),
)
def test_every_test_runs_once_and_nothing_beside_what_must_be_alone(
    modules: list[tuple[str, int]], speed: float, seed: int
) -> None:
    """Modules stay whole, containers in one process; and no worker waits for ever."""
    collection = [f"{file}::test_{number}" for file, tests in modules for number in range(tests)]
    chance = random.Random(seed)
    workers: list[Any] = [Worker("gw0"), Worker("gw1")]
    scheduler, ran = Beside(lambda _: None), {"gw0": list[str](), "gw1": list[str]()}
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, collection)
    scheduler.schedule()
    while workers:
        able = [worker for worker in workers if worker.may_step()]
        assert able, "all wait"
        worker = able[0] if chance.random() < speed else able[-1]
        if worker.running is not None:
            test, worker.running = worker.running, None
            scheduler.mark_test_complete(worker, test)
        elif worker.queue:
            worker.running = worker.queue.popleft()
            test = collection[worker.running]
            ran[worker.gateway.id].append(test)
            assert part_of(test) is not Part.ALONE or workers == [worker]
        else:
            workers.remove(worker)
            assert scheduler.remove_node(worker) is None
    assert scheduler.tests_finished
    assert sorted([*ran["gw0"], *ran["gw1"]]) == sorted(collection)
    for own in ran.values():
        files = [test.partition("::")[0] for test in own]
        assert sorted(files, key=files.index) == files, "another module came between"
        assert all(files.count(file) in (0, tests) for file, tests in modules), "a module was cut"
    containers = [name for name, own in ran.items() if any(part_of(test) is Part.CONTAINERS for test in own)]
    assert len(containers) <= 1
