"""The log line of a request, and of a slow statement."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from diglot.request_record import LOG_FIELDS
from diglot.server.access_log import ACCESS_FIELDS, loggable_path
from diglot.storage.sql.pool.slow_statements import SLOW_FIELDS, SLOW_STATEMENTS
from support.metrics_page import MetricsPage
from support.servers.in_process import Server, bearer

SERVING = {"access_log": True, "trusted_proxies": 1}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def lines(caplog: pytest.LogCaptureFixture, logger: str) -> list[Mapping[str, Any]]:
    """Return the fields of the lines of a logger."""
    return [getattr(record, LOG_FIELDS) for record in caplog.records if record.name == logger]


@EVERY_DIALECT
async def test_a_request_is_one_line(
    server: Server, dialect: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    """It says who asked for what, from where, and what was answered; the key is not in it."""
    caplog.set_level(logging.INFO, "diglot.access")
    key = await server.key(dialect.name, "one")
    headers = {
        **bearer(key),
        "X-Request-Id": "r1",
        "X-Forwarded-For": "6.6.6.6, 192.0.2.7",
        "traceparent": TRACE,
    }
    answer = await server.client.get(f"{dialect.prefix}/segments?q=zoe@example.com", headers=headers)
    [line] = lines(caplog, "diglot.access")
    assert list(line) == [name for name in ACCESS_FIELDS if name in line], "the order of the page"
    assert (line["method"], line["path"]) == ("GET", f"{dialect.prefix}/segments")
    assert (line["status"], line["bytes"]) == (answer.status_code, len(answer.content))
    assert (line["client"], line["request"], line["traceparent"]) == ("192.0.2.7", "r1", TRACE)
    assert line["dialect"] == dialect.name
    assert line["operation"] in {operation.id for _, operation in dialect.operations}
    assert line["workspace"] >= 1
    assert line["ms"] >= 0
    assert len(line["key"]) == 36, "the id of the key"
    assert key not in str(line)
    assert "zoe" not in str(line)


async def test_a_request_without_a_key_or_a_route(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """What is not known is left out; nothing that a client sends breaks the line."""
    caplog.set_level(logging.INFO, "diglot.access")
    await server.client.get("/mail/v1/segments", headers={"traceparent": "00-invented"})
    await server.client.get("/a%0Ab%1B", headers={"X-Forwarded-For": "nobody\tknows"})
    refused, unknown = lines(caplog, "diglot.access")
    assert not {"workspace", "key", "traceparent"} & refused.keys()
    assert (refused["dialect"], refused["operation"], refused["status"]) == ("misar", "listSegments", 401)
    assert not {"dialect", "client"} & unknown.keys()
    assert (unknown["operation"], unknown["path"]) == ("other", r"/a\nb\x1b")


def test_a_loggable_path_is_one_line() -> None:
    """A path may have any character, and a log only printable ones."""
    assert loggable_path("/a\r\n\u2028\ud800ü").isprintable()


@EVERY_DIALECT
def test_a_loggable_path_has_no_key(dialect: Dialect) -> None:
    """A client that puts its key into the path finds no copy of it in logs or traces."""
    key = dialect.key_format.generate_secret()
    assert key not in loggable_path(f"/v1/{key}/segments")


async def test_a_slow_statement_is_one_line(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the SQL without values, and the request that needed it; metrics count it."""
    caplog.set_level(logging.WARNING, "diglot.database")
    headers = {**bearer(await server.key("misar", "one")), "X-Request-Id": "r7"}
    before = MetricsPage((await server.client.get("/metrics")).text)
    monkeypatch.setattr(SLOW_STATEMENTS, "threshold_seconds", 0.0)
    body = {"email": "ada@example.com", "first_name": "Ada"}
    answer = await server.client.post("/mail/v1/contacts", json=body, headers=headers)
    assert answer.status_code == 201
    monkeypatch.setattr(SLOW_STATEMENTS, "threshold_seconds", float("inf"))
    found = lines(caplog, "diglot.database")
    inserts = [line for line in found if "INSERT INTO contacts" in line["sql"]]
    assert inserts
    for line in found:
        assert list(line) == [name for name in SLOW_FIELDS if name in line]
        assert "ada" not in line["sql"].lower()
        assert len(line["sql"].splitlines()) == 1
    assert [line["request"] for line in inserts] == ["r7"] * len(inserts)
    assert [line["operation"] for line in inserts] == ["misar.createContact"] * len(inserts)
    after = MetricsPage((await server.client.get("/metrics")).text)
    counted = after.value("diglot_slow_statements_total") - before.value("diglot_slow_statements_total")
    assert counted == len(found)
