"""One record gives a dialect all calls that Diglot adds."""

from dataclasses import replace

import msgspec

from diglot.api.extensions.endpoints import build_endpoints
from diglot.dialects.topmail.extensions import EXTENSIONS

THIRD = replace(
    EXTENSIONS,
    scope="audience",
    envelope={"ok": True},
    condition_key="filters",
    condition_noun="filters",
    type_key="kind",
)


def test_a_third_dialect_has_every_extension() -> None:
    """Its calls are those of the other dialects, under its own scope and keys."""
    operations = [item.operation for item in build_endpoints(THIRD)]
    assert [item.id for item in operations] == [
        "explainSegment",
        "dryRunSegment",
        "listChanges",
        "listSegmentChanges",
        "compareSegments",
        "listSegmentSizes",
        "snapshotSegment",
        "listContactSegments",
        "listEvents",
        "getEvent",
        "exportContacts",
        "createImport",
        "listImports",
        "getImport",
        "cancelImport",
        "getRejectedRows",
        "receiveWebhook",
    ]
    assert {item.scope for item in (*operations[:6], operations[7])} == {"audience"}
    assert all(item.extension for item in operations)
    assert operations[1].summary.startswith("Evaluate filters without storing them")
    # A snapshot is shown as the dialect shows a new segment.
    for item in [one for one in operations if not one.files and one.id != "snapshotSegment"]:
        assert item.response is not None
        assert item.response.__struct_fields__[:2] == ("ok", "data")
    assert operations[10].files == ("text/csv", "application/x-ndjson")
    assert operations[-2].files == ("text/csv",)


def test_a_third_dialect_explains_under_its_own_keys() -> None:
    """The struct of an explanation uses the names in the record, and the document has them."""
    explain = build_endpoints(THIRD)[0].operation.response
    assert explain is not None
    (data,) = [item for item in msgspec.structs.fields(explain) if item.name == "data"]
    assert data.type.__name__ == "Explained"
    assert {"kind", "filters"} < set(data.type.__struct_fields__)
    assert "`filters` is null for a static segment" in data.type.__doc__
