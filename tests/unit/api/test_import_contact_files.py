"""Contacts of a file that arrives in pieces, and the file of rejected rows."""

from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from diglot.api.imports import quick_rows
from diglot.api.imports.columns import read_header
from diglot.api.imports.contact_file import open_contact_file
from diglot.api.imports.reject_file import RejectFile
from diglot.api.imports.rows import RowReader
from diglot.api.input.request_body import iterate_bytes
from diglot.errors import MalformedRequest
from diglot.model.imports import ImportOptions, RejectedRow

UTC: Final = ZoneInfo("UTC")
NOW: Final = 1_790_000_000_000_000


def test_a_header_that_arrives_in_pieces() -> None:
    """Until it is complete, the file has no rows, no columns and no warnings to speak of."""
    for method in ("check", "read"):
        file = open_contact_file(ImportOptions(), UTC, NOW)
        file.feed(b"email,pl", is_final=False)
        assert not (file.check() if method == "check" else list(file.read()))
        assert (file.header, file.custom_fields) == ([], [])
        file.feed(b"an\na@example.com,x\n", is_final=True)
        assert (file.check() if method == "check" else len(list(file.read()))) == 1
        assert (file.header, file.custom_fields) == (["email", "plan"], ["plan"])


def test_another_reader_continues_after_a_row() -> None:
    """It knows the header, the columns and the number of each row."""
    body = b"email,plan\na@example.com,x\n\nb@example.com,y\n"
    file = open_contact_file(ImportOptions(), UTC, NOW)
    file.feed(body, is_final=True)
    first, second = file.read()
    then = open_contact_file(ImportOptions(), UTC, NOW, file.state_after(first))
    then.feed(body[first.offset :], is_final=True)
    (row,) = then.read()
    assert row == second
    assert (row.number, row.line, then.header) == (4, 4, ["email", "plan"])


def test_dates_in_the_future_reject_a_row() -> None:
    """The path names the column."""
    file = open_contact_file(ImportOptions(), UTC, NOW)
    file.feed(b"email,Created At\na@example.com,2099-01-01\n,2020-01-01\n", is_final=True)
    assert [row.reason.partition(":")[0] for row in file.read()] == ["Created At", "email"]


def test_rejected_rows_as_a_file() -> None:
    """It has the columns of the imported file; cells too many stay visible, and old reasons go."""
    file = RejectFile(["diglot_reason", "email", "plan"])
    rows = [
        RejectedRow(2, "why", "", ["old", "a@", "x", "y", "z"]),
        RejectedRow(3, "not", "", ["", "b@"]),
    ]
    assert file.encode_header() == b"email,plan,diglot_row,diglot_reason\r\n"
    assert file.encode_rows(rows) == b'a@,"x,y,z",2,why\r\nb@,,3,not\r\n'


def test_more_cells_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are read again."""
    monkeypatch.setattr(quick_rows, "_MOST_REMEMBERED", 1)
    rows = RowReader(read_header(["email", "tags"], 1))
    read = [rows.read(2, ["a@example.com", tag]).values.fields["tags"] for tag in ("a", "b", "a", "b")]
    assert read == [["a"], ["b"], ["a"], ["b"]]


async def test_a_client_that_leaves() -> None:
    """The rest of its file never comes."""

    class Request:
        async def receive(self) -> Any:
            return sent.pop(0)

    sent = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    got: list[bytes] = []
    request: Any = Request()
    with pytest.raises(MalformedRequest, match="before its end"):  # noqa: PT012
        async for data in iterate_bytes(request):
            got.append(data)
    assert got == [b"x"]
