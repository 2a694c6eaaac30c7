"""A dialect gets the calls that Diglot adds from one record."""

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
    """Its calls are those of the others, under its own scope and keys."""
    operations = [one.operation for one in build_endpoints(THIRD)]
    assert [one.id for one in operations] == [
        "explainSegment",
        "dryRunSegment",
        "listChanges",
        "listSegmentChanges",
    ]
    assert {one.scope for one in operations} == {"audience"}
    assert all(one.extension for one in operations)
    assert operations[1].summary.startswith("Try filters that are not stored")
    for one in operations:
        assert one.response.__struct_fields__[:2] == ("ok", "data")


def test_a_third_dialect_explains_under_its_own_keys() -> None:
    """The struct of an explanation has the names of the record, and says so in the document."""
    explain = build_endpoints(THIRD)[0].operation.response
    (data,) = [one for one in msgspec.structs.fields(explain) if one.name == "data"]
    assert data.type.__name__ == "Explained"
    assert {"kind", "filters"} < set(data.type.__struct_fields__)
    assert "`filters` is null for a static segment" in data.type.__doc__
