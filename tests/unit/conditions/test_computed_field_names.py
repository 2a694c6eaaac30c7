"""The names of computed fields, and what a sample is."""

import hashlib

import pytest

from diglot.conditions import tree
from diglot.conditions.analysis.logic import judge
from diglot.conditions.computed.samples import LARGEST_SAMPLE, sample_of
from diglot.conditions.computed_fields import (
    Anniversary,
    FieldNameError,
    Sample,
    find_computed,
    is_computed,
    kind_of,
    resolve_name,
    source_of,
    write_name,
)
from diglot.conditions.events.fields import EventField
from diglot.conditions.fields import FieldKind
from diglot.conditions.tree import Op

ID = "0198b000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("sample", "sample"),
        ("sample.a.b", "sample.a.b"),
        ("sample.u\u0308 ", "sample.ü"),
        ("samples", "attributes.samples"),
        ("anniversary", "attributes.anniversary"),
        ("attributes.sample", "attributes.sample"),
        ("custom_fields.sample.x", "attributes.sample.x"),
        ("anniversary.createdAt", "anniversary.created_at"),
        ("anniversary.customFields.born", "anniversary.attributes.born"),
        ("anniversary.born", "anniversary.attributes.born"),
        ("anniversary.attributes.sample", "anniversary.attributes.sample"),
        ("segments", "segments"),
        ("attributes.segments", "attributes.segments"),
        ("segments.x", "attributes.segments.x"),
        # Other fields of these names are attributes.
        ("attributes.events.purchase.count", "attributes.events.purchase.count"),
        ("events.u\u0308.count.24h", "events.ü.count.24h"),
        ("anniversary.attributes.events.x", "anniversary.attributes.events.x"),
        ("createdAt", "created_at"),
    ],
)
def test_a_name_is_resolved(spelling: str, name: str) -> None:
    """A canonical name is its own canonical name."""
    assert resolve_name(spelling) == resolve_name(name) == name


@pytest.mark.parametrize(
    "spelling",
    [
        "sample.",
        "sample.\t",
        'sample."',
        "anniversary.",
        "anniversary.tags",
        "anniversary.sample.x",
        "events.x",
        "events.x.newest.1",
        "events.\0.count",
        "anniversary.events.x.last_at",
    ],
)
def test_a_malformed_name_is_refused(spelling: str) -> None:
    """It is the name of a computed field all the same, never that of an attribute."""
    assert is_computed(spelling)
    with pytest.raises(FieldNameError):
        resolve_name(spelling)


def test_what_a_field_reads() -> None:
    """An anniversary changes with its source."""
    assert find_computed("sample.x") == Sample("x")
    assert find_computed("anniversary.born") == Anniversary("attributes.born")
    assert find_computed("email") is find_computed("attributes.sample") is None
    assert find_computed("events.x.count") == EventField("x", "count")
    names = (
        "sample.x", "anniversary.attributes.born", "anniversary.created_at", "events.x.count.1h", "email",
        "attributes.x", "events.x.newest.2", "events.x.last_at",
    )  # fmt: skip
    assert [source_of(name) for name in names] == [
        "sample.x", "attributes.born", "created_at", "events.x.count.1h", "email",
        "attributes.x", "events.x.newest.2", "events.x.last_at",
    ]  # fmt: skip
    kinds = [FieldKind.NUMBER] * 4 + [FieldKind.TEXT, FieldKind.ATTRIBUTE] + [FieldKind.INSTANT] * 2
    assert [kind_of(name) for name in names] == kinds
    assert [write_name(name, "custom_fields.") for name in names] == [
        "sample.x", "anniversary.custom_fields.born", "anniversary.created_at", "events.x.count.1h", "email",
        "custom_fields.x", "events.x.newest.2", "events.x.last_at",
    ]  # fmt: skip


@pytest.mark.parametrize("salt", ["", "holdout", "ü"])
def test_a_sample_is_a_part_of_a_hash(salt: str) -> None:
    """Anybody can compute it."""
    digest = hashlib.blake2b(salt.encode() + b"\0" + ID.encode(), digest_size=8).hexdigest()
    assert sample_of(ID, salt) == int(digest, 16) // 2**11 / 2**53 * 100
    assert 0 <= sample_of(ID, salt) <= LARGEST_SAMPLE < 100


def test_samples_are_even() -> None:
    """Each tenth of the numbers has about a tenth of the contacts, in every tenth of another salt."""
    ids = [f"0198b000-0000-7000-8000-{n:012x}" for n in range(20_000)]
    cells = [0] * 100
    for id_ in ids:
        cells[int(sample_of(id_, "a") // 10) * 10 + int(sample_of(id_, "b") // 10)] += 1
    assert 120 < min(cells) <= max(cells) < 290


@pytest.mark.parametrize(
    ("field", "op", "operand", "verdict"),
    [
        ("sample", Op.IS_SET, None, True),
        ("sample", Op.LT, 100, True),
        ("sample", Op.GTE, 0, True),
        ("sample", Op.GTE, 100, False),
        ("sample", Op.LT, 0, False),
        ("sample.x", Op.EQUALS, 100, False),
        ("sample.x", Op.EQUALS, 99, None),
        ("sample", Op.LT, 10, None),
        ("anniversary.created_at", Op.LTE, 365, True),
        ("anniversary.created_at", Op.IS_SET, None, True),
        ("anniversary.created_at", Op.GT, 365, False),
        ("anniversary.created_at", Op.EQUALS, 0.5, False),
        ("anniversary.created_at", Op.LTE, 364, None),
        ("anniversary.last_opened_at", Op.LTE, 365, None),
        ("anniversary.last_opened_at", Op.LT, 0, False),
        ("anniversary.attributes.born", Op.IS_SET, None, None),
        ("anniversary.attributes.born", Op.GT, 365, False),
        ("attributes.born", Op.IS_SET, None, None),
        ("events.purchase.count", Op.IS_SET, None, True),
        ("events.purchase.count", Op.GTE, 0, True),
        ("events.purchase.count", Op.GTE, -0.5, True),
        ("events.purchase.count", Op.LT, 0, False),
        ("events.purchase.count", Op.LTE, -1, False),
        ("events.purchase.count", Op.GT, 0, None),
        ("events.purchase.count", Op.LTE, 1e300, None),
        ("events.purchase.count", Op.EQUALS, 0, None),
        ("events.purchase.count", Op.EQUALS, 2.5, False),
        ("events.purchase.count", Op.EQUALS, -1, False),
        ("events.purchase.count.30d", Op.IS_SET, None, True),
        ("events.purchase.count.30d", Op.GTE, 0, True),
        ("events.purchase.sum.revenue", Op.IS_SET, None, True),
        ("events.purchase.sum.price.30d", Op.IS_SET, None, True),
        ("events.purchase.sum.revenue", Op.LT, 0, None),
        ("events.purchase.first_at", Op.IS_SET, None, None),
        ("events.purchase.last_at", Op.IS_SET, None, None),
    ],
)
def test_what_matches_nobody_or_everybody(
    field: str, op: Op, operand: float | None, verdict: bool | None
) -> None:
    """The range of a computed field is known."""
    predicate = tree.Predicate(field, op, None if operand is None else tree.Number(operand))
    assert judge(predicate).verdict is verdict
    assert judge(tree.Not(predicate)).verdict is (None if verdict is None else not verdict)


def test_no_number_is_two_numbers() -> None:
    """A computed field has one value."""
    first, second = (tree.Predicate("anniversary.attributes.x", Op.EQUALS, tree.Number(n)) for n in (1, 2))
    assert judge(tree.All((first, second))).verdict is False
