"""Checks of readiness: one at a time, within a deadline, and kept for a moment."""

import asyncio
import logging

import pytest

from diglot.errors import DatabaseAway
from diglot.server.observability import readiness
from diglot.server.observability.readiness import OK, Part, Readiness


class Checked:
    """A check whose result a test decides; it counts how often it ran."""

    def __init__(self) -> None:
        self.runs = 0
        self.state = OK
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def check(self) -> str:
        self.runs += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.state


async def test_many_requests_are_one_check() -> None:
    """A thousand probes at once, and a thousand within the second after, look once."""
    checked = Checked()
    checked.gate.clear()
    part = Part("database", checked.check)
    asking = [asyncio.create_task(part.find_state()) for _ in range(1_000)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    checked.gate.set()
    states = await asyncio.gather(*asking[1:])
    assert set(states) == {OK}
    assert {await part.find_state() for _ in range(1_000)} == {OK}
    assert checked.runs == 1, "and a client that left did not end the check of the others"


async def test_a_state_is_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was kept, the next request finds the state of now."""
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", 0.0)
    checked = Checked()
    part = Part("database", checked.check, kept_seconds=0.0)
    assert await part.find_state() == OK
    checked.error = DatabaseAway("no route to host")
    assert await part.find_state() == "unavailable"
    checked.error = None
    assert await part.find_state() == OK


async def test_what_is_wrong_is_looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part whose good state is kept for long is looked at again soon while it is bad."""
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", 0.0)
    checked = Checked()
    checked.state = "another revision"
    part = Part("schema", checked.check, kept_seconds=1_000)
    assert await part.find_state() == "another revision"
    checked.state = OK
    assert await part.find_state() == OK
    checked.state = "another revision"
    assert await part.find_state() == OK, "now it is kept"


async def test_a_check_that_hangs_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that never answers makes the server unready, and the answer comes."""
    monkeypatch.setattr(readiness, "_DEADLINE_SECONDS", 0.05)
    checked = Checked()
    checked.gate.clear()
    async with asyncio.timeout(10):
        assert await Part("database", checked.check).find_state() == "timed out"


async def test_a_change_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is asked, the log has one line when it breaks and one when it is back."""
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", 0.0)
    caplog.set_level(logging.INFO, "diglot.readiness")
    checked = Checked()
    part = Part("database", checked.check, kept_seconds=0.0)
    checked.error = DatabaseAway("no route to host")
    for _ in range(5):
        await part.find_state()
    checked.error = None
    for _ in range(5):
        await part.find_state()
    assert [record.getMessage() for record in caplog.records] == [
        "database is not ok: unavailable (no route to host)",
        "database is ok again",
    ]


async def test_draining_is_not_kept() -> None:
    """The first answer after the signal says that the server stops."""
    draining = False
    ready = Readiness([Part("database", Checked().check)], lambda: draining)
    assert await ready.find_states() == {"database": OK, "serving": OK}
    draining = True
    assert await ready.find_states() == {"database": OK, "serving": "draining"}
