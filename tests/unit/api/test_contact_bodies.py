"""Contacts in bodies and imports: all faults of one input, in its order."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from diglot.api.input import request_body
from diglot.api.input.contacts import LocalTime, contact_reader
from diglot.api.input.query_string import QueryReader
from diglot.computations import drain
from diglot.dialects.misar.contacts import import_request
from diglot.dialects.misar.contacts.import_request import RawImport, read_import
from diglot.dialects.misar.contacts.wire import ATTRIBUTES_KEY, ContactCreate
from diglot.errors import InvalidInput, MalformedRequest
from diglot.model.contacts import ContactChange

UTC = LocalTime(ZoneInfo("UTC"), 1_767_225_600_000_000)


def read(body: bytes) -> ContactChange:
    """Read a body that creates a contact."""
    return contact_reader(ContactCreate, ATTRIBUTES_KEY).read_body(request_body.parse_object(body), UTC)


def faults_of(body: bytes) -> list[tuple[str, str]]:
    """Return the path and the message of each fault."""
    with pytest.raises(InvalidInput) as refused:
        read(body)
    return [(".".join(map(str, fault.path)), fault.message) for fault in refused.value.faults]


def test_faults_of_every_kind_are_collected() -> None:
    """What cannot be decoded comes first, then spellings, missing members, values and attributes."""
    body = (
        b'{"custom_fields": {"big": 9223372036854775808}, "phone": 1, "source": 1e999, "jobTitle": "a",'
        b' "job_title": "b", "tags": [""], "total_opens": 0.5}'
    )
    assert faults_of(body) == [
        ("source", "Number is out of range"),
        ("job_title", "Differs from jobTitle"),
        ("email", "Required"),
        ("phone", "Expected string, received number"),
        ("tags", "A tag has 1 to 100 characters, is not blank and holds no U+0000"),
        ("total_opens", "Expected integer, received float"),
        ("custom_fields.big", "Number is out of range"),
    ]


def test_an_address_that_cannot_be_decoded_is_not_missing() -> None:
    """It was sent."""
    assert faults_of(b'{"email": 1e999}') == [("email", "Number is out of range")]


def test_a_value_that_is_no_json_stands_alone() -> None:
    """Nothing else is said of such a body."""
    for value in (b'"\\ud800"', b"01", b"[1,]", b'"\xff"'):
        with pytest.raises(MalformedRequest, match="not valid JSON"):
            read(b'{"phone": 1, "source": ' + value + b"}")


def test_attributes_in_a_cell_hold_no_nul() -> None:
    """A cell of JSON is the only way for it: other bodies are refused as a whole."""
    file = b'email,custom_fields\na@example.com,"{""a"": [""\\u0000""]}"\n'
    request = read_import(RawImport(file, "text/csv", "text/csv", QueryReader({})), UTC)
    assert request.errors == ["rows.2.a.0: Text holds no U+0000 and no lone surrogate"]


def test_dates_follow_the_zone() -> None:
    """A date begins where the workspace is; other values stay, and an address is normalized."""
    body: dict[str, Any] = {"email": "Ada@Example.com", "lastOpenedAt": "1970-01-02", "lead_score": None}
    reader = contact_reader(ContactCreate, ATTRIBUTES_KEY)
    members = request_body.parse_object(msgspec.json.encode(body))
    change = reader.read_body(members, LocalTime(ZoneInfo("Etc/GMT-1"), UTC.now))
    values = {
        "email": "ada@example.com",
        "email_as_sent": "Ada@Example.com",
        "last_opened_at": 23 * 3_600 * 1_000_000,
        "lead_score": None,
    }
    assert change.values == values


def test_the_tags_of_all_places_together_have_a_limit() -> None:
    """Thirty in the query and thirty in the body are sixty."""
    tags = [[f"{place}{number}" for number in range(30)] for place in "ab"]
    query = QueryReader({"tags": ";".join(tags[0])})
    body = msgspec.json.encode({"contacts": [], "tags": tags[1]})
    with pytest.raises(InvalidInput, match="tags: Array must contain at most 50 element"):
        read_import(RawImport(body, "application/json", "application/json", query), UTC)


def test_an_opt_out_that_cannot_be_read_is_refused() -> None:
    """A contact that may have opted out would be subscribed otherwise; other unknown members are not read."""
    assert faults_of(b'{"email": "a@example.com", "unsubscribed": 1e999, "plan": 1e999}') == [
        ("unsubscribed", "Number is out of range")
    ]
    assert read(b'{"email": "a@example.com", "unsubscribed": [1], "plan": 1e999}').lowered == "unsubscribed"


def test_an_import_is_freed_contact_by_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what was decoded nor what was checked is freed as a whole."""
    drained: list[list[Any]] = []

    def note(items: list[Any]) -> Iterator[Any]:
        drained.append(items)
        assert items
        yield from drain(items)

    monkeypatch.setattr(import_request, "drain", note)
    contacts = [{"email": f"{number}@example.com"} for number in range(3)]
    sent = RawImport(
        msgspec.json.encode({"contacts": contacts}), "application/json", "application/json", QueryReader({})
    )
    request = read_import(sent, UTC)
    assert [change.email for change in request.changes] == [contact["email"] for contact in contacts]
    assert drained == [[], []]
