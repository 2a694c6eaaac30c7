"""The checks find every contradiction between a response and the documents."""

from typing import Any

import pytest

from support.openapi.documents import contradiction_of_newer

PATH = "/mail/v1/segments/changes"
PAGE = {"after": 0, "through": 1, "newest": 1, "limit": 100, "has_more": False}
CHANGE = {
    "sequence": 1,
    "at": "2026-03-01T12:00:00Z",
    "cause": "time",
    "segment_id": "seg_01m8asyypje9wa53m0s59fy9jx",
    "contact_id": None,
    "change": "left",
}
GOOD = {"success": True, "data": [CHANGE], "pagination": PAGE}
SENT = {"X-Request-Id": "a"}
FAULTS: dict[str, tuple[int, dict[str, str], Any, str]] = {
    "a status": (201, SENT, GOOD, "the document has no 201 of listChanges"),
    "a header too many": (200, SENT | {"Diglot-As-Of": "1"}, GOOD, "no header diglot-as-of"),
    "a header too few": (200, {}, GOOD, "header X-Request-Id is missing"),
    "a key too many": (200, SENT, {**GOOD, "more": 1}, "more"),
    "a key too many inside": (200, SENT, {**GOOD, "data": [{**CHANGE, "more": 1}]}, "data[0]"),
    "a key too few": (200, SENT, {**GOOD, "pagination": {}}, "$.pagination"),
    "a value": (200, SENT, {**GOOD, "data": [{**CHANGE, "cause": "chance"}]}, "data[0].cause"),
    "an error of the other dialect": (400, SENT, {"error": {"code": "x", "message": "y"}}, "success"),
}


@pytest.mark.parametrize(("status", "headers", "body", "fault"), FAULTS.values(), ids=FAULTS)
def test_undocumented_responses(status: int, headers: dict[str, str], body: Any, fault: str) -> None:
    """Each fault is reported with its place."""
    assert fault in str(contradiction_of_newer("GET", PATH, status, headers, body))


def test_documented_responses() -> None:
    """A valid response has no fault; a call without a document is not judged."""
    assert contradiction_of_newer("GET", PATH, 200, SENT | {"Content-Type": "application/json"}, GOOD) is None
    assert (
        contradiction_of_newer("PATCH", "/mail/v1/segments/changes/more", 405, {}, {"anything": True}) is None
    )
    assert contradiction_of_newer("GET", "/mail/v1/contacts?id=x", 200, {}, {"anything": True}) is None
    assert contradiction_of_newer("GET", "/nothing", 404, {}, {}) is None
