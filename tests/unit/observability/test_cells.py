"""What the processes of a server count is one sum, whichever of them answers and whichever have died."""

import multiprocessing
import os
import pickle
from collections.abc import Callable
from typing import Any

from diglot.server.observability.cells import SharedCells

FORK: Any = multiprocessing.get_context("fork")


def run_in_child(function: Callable[[], None]) -> None:
    """Run a function in a forked process, which then dies without a word."""

    def run() -> None:
        function()
        os._exit(9)

    child = FORK.Process(target=run)
    child.start()
    child.join()


def add_up(cells: SharedCells) -> list[float]:
    """Return the sums over all processes that ever were."""
    return [sum(column) for column in zip(*cells.of_all_processes(), strict=True)]


def count(cells: SharedCells, index: int, by: float) -> None:
    cells.figures[index] += by


def test_a_dead_process_keeps_its_counts_and_loses_its_gauges() -> None:
    """Each child gets a slot; the third takes that of a dead one and goes on counting there."""
    cells = SharedCells(2, slots=2)
    cells.share_with_forks()
    for amount in (1, 2, 4):
        run_in_child(lambda amount=amount: count(cells, 1, amount))  # type: ignore[misc]
    assert add_up(cells) == [0, 7]
    assert list(cells.of_live_processes()) == []
    assert cells.live_processes() == [os.getpid()], "the first process"


def test_living_processes_have_separate_slots() -> None:
    """Two workers that run at once count apart, and both are in the sum."""
    cells = SharedCells(1, slots=4)
    cells.share_with_forks()
    ready, done = FORK.Semaphore(0), FORK.Event()

    def work() -> None:
        for _ in range(10_000):
            cells.figures[0] += 1
        ready.release()
        done.wait()

    children = [FORK.Process(target=work) for _ in range(2)]
    for child in children:
        child.start()
    for _ in children:
        assert ready.acquire(timeout=30)
    assert [figures[0] for figures in cells.of_live_processes()] == [10_000, 10_000]
    assert set(cells.live_processes()) == {os.getpid(), *(child.pid for child in children)}
    done.set()
    for child in children:
        child.join()


def test_draining_is_one_flag_for_all() -> None:
    """The first process sets it, and a worker sees it."""
    cells = SharedCells(1, slots=2)
    cells.share_with_forks()
    seen = FORK.Value("i", -1)
    cells.drain()

    def look() -> None:
        seen.value = cells.is_draining

    run_in_child(look)
    assert seen.value == 1


def test_a_process_that_was_not_forked_counts_for_itself() -> None:
    """Where processes are spawned, the cells arrive empty."""
    cells = SharedCells(3)
    count(cells, 0, 5)
    copy: SharedCells = pickle.loads(pickle.dumps(cells))  # noqa: S301 - our own bytes
    assert add_up(copy) == [0, 0, 0]
    assert add_up(cells) == [5, 0, 0]
