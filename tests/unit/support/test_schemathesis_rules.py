"""Rejections that no schema announces: each row is well formed, and explains only its own fault."""

import json
from collections import Counter
from typing import Any

import jsonschema
import pytest

from diglot.dialects.registry import DIALECTS
from support.schemathesis_run.refusals import GeneratedRequest, Row, faults_of, reason, rows

CALLS = {operation.id for dialect in DIALECTS for _, operation in dialect.operations}
STATIC = "Only a dynamic list has conditions"
HOLDS = {"match": "all", "rules": []}
NUL = "Text holds no U+0000 and no lone surrogate"


def topmail(message: str, path: str | None = None) -> dict[str, Any]:
    return {"error": {"code": "validation_error", "message": message} | ({"path": path} if path else {})}


def misar(**fields: list[str]) -> dict[str, Any]:
    return {"success": False, "error": "a", "details": {"fieldErrors": fields, "formErrors": []}}


def criteria(*rules: Any) -> dict[str, Any]:
    return {"filter_criteria": {"operator": "AND", "rules": list(rules)}}


EXPLAINED: dict[str, tuple[GeneratedRequest, Any, list[str] | None]] = {
    "a rule about the body": (
        GeneratedRequest("createList", {}, {}, {"name": "a", "conditions": HOLDS}),
        topmail(STATIC, "conditions"),
        ["conditions of a list that is filled by hand"],
    ),
    "the same message of a body that keeps the rule": (
        GeneratedRequest("createList", {}, {}, {"name": "a", "type": "dynamic", "conditions": HOLDS}),
        topmail(STATIC, "conditions"),
        None,
    ),
    "the same message of another call": (
        GeneratedRequest("createSegment", {}, {}, {"name": "a", "conditions": HOLDS}),
        topmail(STATIC, "conditions"),
        None,
    ),
    "a message of no row": (
        GeneratedRequest("createTag", {}, {}, {"name": "a"}),
        topmail("No", "name"),
        None,
    ),
    "no message at all": (GeneratedRequest("createTag", {}, {}, {"name": "a"}), {}, None),
    "a value inside a condition": (
        GeneratedRequest(
            "createSegment", {}, {}, criteria({"field": "email", "operator": "equals", "value": 1})
        ),
        misar(filter_criteria=["rules.0.value: Expected string, received number"]),
        ["a value that is no string"],
    ),
    "a value that is what was expected": (
        GeneratedRequest(
            "createSegment", {}, {}, criteria({"field": "email", "operator": "equals", "value": "1"})
        ),
        misar(filter_criteria=["rules.0.value: Expected string, received number"]),
        None,
    ),
    "two faults, one of no row": (
        GeneratedRequest(
            "createSegment", {}, {}, criteria({"field": "email", "operator": "equals", "value": 1})
        ),
        misar(filter_criteria=["rules.0.value: Expected string, received number"], name=["No"]),
        None,
    ),
    "a value that is missing, as the contacts platform says it": (
        GeneratedRequest(
            "previewPlatformSegment",
            {},
            {},
            {"filterCriteria": {"rules": [{"field": "a", "operator": "eq"}]}},
        ),
        {"error": "filterCriteria.rules.0.value: Required"},
        ["a rule without the value that its operator needs"],
    ),
    "a field that the document does not require": (
        GeneratedRequest("createContact", {}, {}, {"email": "a@example.com"}),
        misar(first_name=["Required"]),
        None,
    ),
    "a field that the document has": (
        GeneratedRequest("createContact", {}, {}, {"email": "a@example.com", "phone": "1"}),
        misar(phone=["Unrecognized key"]),
        None,
    ),
    "conditions that another member requires": (
        GeneratedRequest("dryRunSegment", {}, {}, {"segment_id": "a"}),
        topmail("Required", "conditions"),
        ["a dry run in the place of a segment, without conditions"],
    ),
    "an address of a page": (
        GeneratedRequest("trackProductView", {}, {}, {"product_url": "https://example.com"}),
        topmail("Invalid url", "product_url"),
        None,
    ),
    "a text of the query": (
        GeneratedRequest("listTags", {}, {"search": "a\x00"}, None),
        topmail(NUL, "search"),
        ["a text with U+0000"],
    ),
    "a key with a dot and U+0000": (
        GeneratedRequest("createTag", {}, {}, {"a.b\x00": {"c": 1}}),
        topmail(NUL, "a.b\\u0000"),
        ["a text with U+0000"],
    ),
    "a key that is empty, and one with U+0000 below": (
        GeneratedRequest("createTag", {}, {}, {"": {"a\x00": 1}}),
        misar(**{"": ["a\\u0000: Text holds no U+0000 and no lone surrogate"]}),
        ["a text with U+0000"],
    ),
    "a tag of a query that is too long": (
        GeneratedRequest("importContacts", {}, {"tags": f"a,{'b' * 101}"}, {"contacts": []}),
        misar(tags=["A tag has 1 to 100 characters, is not blank and holds no U+0000"]),
        ["tags of a query of which one is none"],
    ),
    "tags of a query that are fine": (
        GeneratedRequest("importContacts", {}, {"tags": "a,b"}, {"contacts": []}),
        misar(tags=["A tag has 1 to 100 characters, is not blank and holds no U+0000"]),
        None,
    ),
    "a number somewhere inside that is too far": (
        GeneratedRequest("createContact", {}, {}, {"custom_fields": {"a": [{"b": 2**64}]}}),
        misar(custom_fields=["Number is out of range"]),
        ["a number past 64 bits"],
    ),
    "numbers that are near": (
        GeneratedRequest("createContact", {}, {}, {"custom_fields": {"a": [{"b": 2**62}]}}),
        misar(custom_fields=["Number is out of range"]),
        None,
    ),
    "a column of a file": (
        GeneratedRequest("importContacts", {}, {}, "a\x01\n"),
        misar(
            rows=['1.a\x01: An attribute key has no control character, quote (") or backslash'],
            email=["No column has this name"],
        ),
        ["a file that is none", "a file that is none"],
    ),
    "nothing names a contact": (
        GeneratedRequest("updateContactByEmail", {}, {}, {"phone": "1"}),
        misar(email=["Required"]),
        ["a contact that nothing names"],
    ),
    "an address that is there": (
        GeneratedRequest("updateContactByEmail", {}, {}, {"email": "a"}),
        misar(email=["Required"]),
        None,
    ),
    "a text that has none": (
        GeneratedRequest("listTags", {}, {"search": "a"}, None),
        topmail(NUL, "search"),
        None,
    ),
    "what is stored decides": (
        GeneratedRequest("addListMembers", {"list_id": "a"}, {}, {"contact_ids": ["b"]}),
        topmail(
            "This list is dynamic: its contacts follow its conditions and cannot be changed by hand",
        ),
        ["members of a list that its conditions decide"],
    ),
}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_row_is_well_formed(row: Row) -> None:
    """It has a reason, existing calls, a schema, and a message unless it is of the other kind."""
    assert row.why.endswith(".")
    assert set(row.calls) <= CALLS
    assert bool(row.message) != row.accepted
    assert row.when or row.calls
    jsonschema.Draft202012Validator.check_schema(row.when)


def test_names_and_messages_are_unique() -> None:
    """No two rows explain the same fault of the same call; rows of accepted requests have no message."""
    faults = [(row.message, row.calls, json.dumps(row.when) if row.accepted else "") for row in rows()]
    counts = Counter(row.name for row in rows()) + Counter(faults)
    assert [one for one, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(("sent", "answer", "names"), EXPLAINED.values(), ids=EXPLAINED)
def test_the_faults_that_rows_explain(sent: GeneratedRequest, answer: Any, names: list[str] | None) -> None:
    """Every fault of a response needs a row, and a row only explains a request that breaks its rule."""
    assert reason(sent, answer, rows()) == names


def test_an_accepted_request_reports_its_fault() -> None:
    """An import that leaves out no row was well formed."""
    (row,) = [row for row in rows() if row.name == "a contact at fault in an import"]
    told = {"failed": 1, "errors": ["contacts.0.email: Required"]}
    assert row.explains_acceptance(GeneratedRequest("importContacts", {}, {}, {}), told)
    assert not row.explains_acceptance(
        GeneratedRequest("importContacts", {}, {}, {}), {"failed": 0, "errors": []}
    )
    assert not row.explains_acceptance(GeneratedRequest("createContact", {}, {}, {}), told)
    assert not row.explains_rejection("importContacts", "", {})


def test_faults_are_read_in_every_error_body() -> None:
    """Each has a path and a message; the path is empty if the body has none."""
    assert faults_of(topmail("a", "b.0")) == [("b.0", "a")]
    assert faults_of(misar(a=["0: b", "c"])) == [("a", "0: b"), ("a", "c")]
    assert faults_of({"error": "a: b; c: d"}) == [("", "a: b"), ("", "c: d")]
    assert faults_of([]) == []
