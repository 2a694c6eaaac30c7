"""What a person sees of a file before it is imported, and the form that brings it."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from diglot.api.imports.contact_file import open_contact_file
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.review.file_head import read_file_head
from diglot.api.imports.review.tools import TOOL_TITLES, recognize_tool
from diglot.api.imports.upload import MAX_FIELD_BYTES, open_file_form
from diglot.errors import MalformedRequest
from diglot.model.contacts import ContactChange
from diglot.model.imports import ImportOptions
from diglot.service.contacts.contact_changes import changed_contact, new_contact
from support.paths import TESTS

_SPEC: Final = TESTS / "spec" / "imports"
_ROWS: Final = json.loads((_SPEC / "only-lowers.json").read_text(encoding="utf-8"))["rows"]
_TYPE = "multipart/form-data; boundary=b"
_HEAD = b'--b\r\nContent-Disposition: form-data; name="'


def test_the_columns_of_a_file() -> None:
    """Each has its first distinct values, and what it would be without a mapping."""
    body = b"email,plan,opt_out\na@example.com,x,no\nb@example.com,x\n,,yes\n" + b"c@example.com,%d,\n" * 3
    head = read_file_head(body, ImportOptions(mapping={"opt_out": ""}), is_whole=True)
    assert [(one.column.name, list(one.examples)) for one in head.columns] == [
        ("email", ["a@example.com", "b@example.com", "c@example.com"]),
        ("plan", ["x", "%d"]),
        ("opt_out", ["no", "yes"]),
    ]
    assert [one.loses_opt_outs for one in head.columns] == [False, False, True]
    assert (head.has_address, head.sets_status, head.tool) == (True, False, None)
    assert [one.code for one in head.warnings] == ["no_opt_outs"]


def test_a_cut_row_and_a_lowered_file() -> None:
    """A row that goes on behind the beginning is not shown; a file that lowers all needs no opt-outs."""
    head = read_file_head(
        b"email,status\na@example.com,x\nb@exa", ImportOptions(status="bounced"), is_whole=False
    )
    assert list(head.columns[0].examples) == ["a@example.com"]
    assert (head.sets_status, list(head.warnings), list(head.faults)) == (True, [], [])


def test_a_header_without_addresses() -> None:
    """It is shown with its fault."""
    head = read_file_head(b"name\nAda\n", ImportOptions(encoding="windows-1252"), is_whole=True)
    assert (head.has_address, [fault.path for fault in head.faults]) == (False, [("email",)])


@pytest.mark.parametrize("beginning", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF-1.7", b"\x1f\x8b\x08"])
def test_other_files(beginning: bytes) -> None:
    """They are told from tables of text by their first bytes."""
    with pytest.raises(MalformedRequest):
        read_file_head(beginning, ImportOptions(), is_whole=True)


def test_tools_are_recognized_by_more_than_one_column() -> None:
    """One column, or the columns of two tools, are no proof; each preset has a title."""
    assert recognize_tool(["Email Address", "MEMBER_RATING", "OPTIN_TIME"]) == "mailchimp"
    assert recognize_tool(["email", "LEID"]) is None
    assert recognize_tool(["LEID", "EUID", "uuid", "attribs"]) is None
    assert set(TOOL_TITLES) == set(PRESETS)


@pytest.mark.parametrize("tool", PRESETS)
def test_the_files_of_the_spec_are_recognized(tool: str) -> None:
    """Each tool is told by the file that it writes."""
    body = (_SPEC / "presets" / f"{tool}.csv").read_bytes()
    assert read_file_head(body, ImportOptions(), is_whole=True).tool == tool


@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_the_status_after_an_import(row: dict[str, Any]) -> None:
    """A file states a status; an import that only lowers raises none."""
    names, cells = ",".join(row["cells"]), ",".join(row["cells"].values())
    body = f"email,{names}\na@example.com,{cells}\n".encode()
    for only_lowers, expected in ((False, row["after"]), (True, row["only_lowers"])):
        file = open_contact_file(ImportOptions(only_lowers=only_lowers), ZoneInfo("UTC"), 0)
        file.feed(body, is_final=True)
        (read,) = file.read()
        assert read.change is not None
        after = new_contact(read.change, 1, "", 0)
        if row["stored"] is not None:
            values = {"email": "a@example.com", "status": row["stored"]}
            after = changed_contact(new_contact(ContactChange(values), 1, "", 0), read.change, 0)
        assert after.status == expected


async def _cut(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 7):
        yield body[start : start + 7]


async def test_a_form_with_a_file() -> None:
    """The fields are read up to the file, whose content arrives later; nothing may follow it."""
    body = _HEAD + b'a"\r\n\r\none\r\n' + _HEAD + b'f"; filename="x.csv"\r\n\r\nemail\n\r\n'
    form = await open_file_form(_cut(body + b"--b--\r\n"), _TYPE)
    assert (form.fields, form.upload is not None) == ({"a": "one"}, True)
    assert form.upload is not None
    assert (form.upload.name, b"".join([part async for part in form.upload.content])) == ("x.csv", b"email\n")
    more = await open_file_form(_cut(body + _HEAD + b'z"\r\n\r\n1\r\n--b--\r\n'), _TYPE)
    assert more.upload is not None
    with pytest.raises(MalformedRequest, match="last part"):
        [part async for part in more.upload.content]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff", "not UTF-8"), (b"x" * (MAX_FIELD_BYTES + 1), "at most 65,536 bytes")],
)
async def test_forms_that_are_refused(content: bytes, message: str) -> None:
    """A field is text, and what precedes the file is short."""
    with pytest.raises(MalformedRequest, match=message):
        await open_file_form(_cut(_HEAD + b'a"\r\n\r\n' + content + b"\r\n--b--\r\n"), _TYPE)


async def test_a_form_without_a_file() -> None:
    """It has its fields only."""
    form = await open_file_form(_cut(_HEAD + b'a"\r\n\r\none\r\n--b--\r\n'), _TYPE)
    assert (form.fields, form.upload) == ({"a": "one"}, None)
