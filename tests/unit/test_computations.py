"""Long computations leave the event loop free and do not compete with each other."""

import asyncio
import sys
import threading
import time
from contextvars import ContextVar
from itertools import pairwise

import pytest

from diglot.computations import (
    FORGOTTEN_AT_ONCE,
    SWITCH_SECONDS,
    LoopTurns,
    compute,
    drain,
    favor_event_loop,
    forget,
)

_request: ContextVar[str] = ContextVar("request")


async def test_computations_run_one_at_a_time() -> None:
    """Several computations at once never overlap, and none runs on the thread of the event loop."""
    running: list[int] = []
    counts: list[int] = []
    threads: set[int] = set()

    def note() -> None:
        threads.add(threading.get_ident())
        running.append(1)
        counts.append(len(running))
        time.sleep(0.005)
        running.pop()

    await asyncio.gather(*(compute(note) for _ in range(6)))
    assert counts == [1] * 6
    assert threading.get_ident() not in threads


async def test_a_unit_of_work_does_not_wait_for_requests() -> None:
    """A computation in a unit ends while the body of a request is read, because it may hold a lock."""
    unit_ended = threading.Event()
    reading = asyncio.create_task(compute(lambda: unit_ended.wait(30)))
    await asyncio.sleep(0)
    await compute(unit_ended.set, in_unit=True)
    assert await reading


async def test_the_event_loop_runs_meanwhile() -> None:
    """A computation that waits for the event loop ends."""
    reached = threading.Event()
    asyncio.get_running_loop().call_soon(reached.set)
    assert await compute(lambda: reached.wait(30))


async def test_a_computation_belongs_to_its_request() -> None:
    """It sees the context of its caller, and its error reaches the caller and nobody else."""
    _request.set("one")
    assert await compute(_request.get) == "one"
    with pytest.raises(ZeroDivisionError):
        await compute(lambda: 1 // 0)
    assert await compute(lambda: 2) == 2


def test_threads_pass_the_interpreter_on_sooner() -> None:
    """A server shortens the interval after which a thread that computes lets others run."""
    before = sys.getswitchinterval()
    try:
        # What Python begins with; another test of this process may have started a server.
        sys.setswitchinterval(0.005)
        favor_event_loop()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    finally:
        sys.setswitchinterval(before)


async def test_turns_leave_the_loop_to_others() -> None:
    """Between two turns, others that are ready run, however many come together."""
    turns, order = LoopTurns(), list[str]()

    async def take() -> None:
        await turns.take()
        order.append("turn")

    async def other() -> None:
        while order.count("turn") < 10:
            await asyncio.sleep(0)
            order.append("other")

    await asyncio.gather(*(take() for _ in range(10)), other())
    assert order.count("turn") == 10
    assert "turn turn" not in " ".join(order)


async def test_a_long_list_is_freed_in_steps() -> None:
    """No step frees many items at once, and others run in between."""
    freed: list[int] = []
    order: list[int] = []

    class Item:
        def __del__(self) -> None:
            freed.append(1)

    async def other() -> None:
        while items:
            order.append(len(freed))
            await asyncio.sleep(0)

    items = [Item() for _ in range(10 * FORGOTTEN_AT_ONCE)]
    await asyncio.gather(forget(items), other())
    assert len(freed) == 10 * FORGOTTEN_AT_ONCE
    assert max(after - before for before, after in pairwise(order)) <= FORGOTTEN_AT_ONCE


def test_an_item_is_freed_before_the_next_but_one_is_read() -> None:
    """A reader of a long list keeps one of its items, in order."""
    freed: list[int] = []

    class Item:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            freed.append(self.number)

    for place, item in enumerate(drain([Item(number) for number in range(10)])):
        assert item.number == place
        assert len(freed) >= place - 1
