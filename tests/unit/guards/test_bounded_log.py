"""Warnings that clients can cause come in a bounded rate."""

import logging
import time

import httpx
import pytest

from diglot.server.guards.bounded_log import BoundedLog
from support.engines import SQLITE
from support.servers.in_process import serving

CALLS = 40


def test_each_kind_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """The first of each kind is logged at once, and a later one says how many were not."""
    bounded = BoundedLog(logging.getLogger("diglot"), seconds=0.05)
    for _ in range(3):
        bounded.record("a", "first kind")
        bounded.record("b", "second kind")
    assert [record.getMessage() for record in caplog.records] == ["first kind", "second kind"]
    time.sleep(0.06)
    bounded.record("a", "first kind")
    assert caplog.records[-1].getMessage() == "first kind (2 more like this were not logged)"


async def test_an_upstream_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody needs a key to call an upstream, so its failures are bounded, too; each call is a 502."""
    nowhere = {"misar": "http://127.0.0.1:1"}
    async with SQLITE.fresh() as url, serving(url, upstreams=nowhere) as server:
        began = time.monotonic()
        answers: list[httpx.Response] = [await server.client.get("/mail/v1/emails") for _ in range(CALLS)]
        seconds = time.monotonic() - began
    assert {answer.status_code for answer in answers} == {502}
    lines = [record for record in caplog.records if "upstream 127.0.0.1" in record.getMessage()]
    assert 1 <= len(lines) <= 1 + seconds
