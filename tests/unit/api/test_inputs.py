"""What the documents say of bodies and queries and what is read of them are the same: neither can drift."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import msgspec
import pytest
from msgspec import inspect

from diglot.api.annotations import LEFT_TO_HANDLER, OPTIONS, REDUCED_TO, REPLACEABLE
from diglot.api.dialect import Dialect
from diglot.api.input.body_reader import BodyReader
from diglot.api.input.contacts import LocalTime
from diglot.api.input.query_string import QueryReader
from diglot.api.input.struct_plans import FieldPlan, plan_query, plan_struct
from diglot.api.input.value_readers import Given, without_metadata
from diglot.dialects.misar.contacts import bulk_input
from diglot.dialects.registry import DIALECTS
from diglot.errors import ContentTooLarge, InvalidInput
from diglot.webhooks.allowed_targets import find_url_fault, parse_allowed_targets
from support.openapi.documents import document_of

IDS = {"contact_id", "contact_ids", "list_id"}
# What a handler checks beside the struct.
CHECKS = dict.fromkeys(("url", "targetUrl"), partial(find_url_fault, targets=parse_allowed_targets("any")))
TEXTS = (
    *("", " ", "a", "a\n", "USD", "#fff"),
    *("https://example.com/", "ada@example.com", "2026-05-27T10:01:44Z"),
)
OF_EVERY_TYPE: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 1.5, 2**53 - 1, 2**53, 1e300),
    *([], {}, [{}], [1], ["a"]),
)


def _validate_ends(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Validate the first and the last elements of an array, because those of long ones here are alike."""
    short = [*instance[:20], *instance[20:][-20:]] if isinstance(instance, list) else instance
    yield from jsonschema.Draft202012Validator.VALIDATORS["items"](validator, items, short, schema)


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"items": _validate_ends})  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Input:
    """A field of a body: how it is documented and how it is read."""

    dialect: Dialect
    struct: type[msgspec.Struct]
    field: inspect.Field
    plan: FieldPlan

    def __str__(self) -> str:
        return f"{self.dialect.name} {self.struct.__name__}.{self.field.name}"

    def is_documented(self, value: Any) -> bool:
        """Tell whether the schema of the field allows a value."""
        components = document_of(self.dialect.name)["components"]
        schema = properties_of(self.dialect, self.struct)[self.field.name]
        return bool(Validator({"allOf": [schema], "components": components}).is_valid(value))

    def read(self, value: Any) -> None:
        """Read a value as a handler does; raise `InvalidInput`."""
        members = {self.plan.keys[0]: msgspec.Raw(msgspec.json.encode(value))}
        reader = BodyReader(members)
        reader.read(self.struct, self.field.name, checks=CHECKS)
        faults = [one for one in reader._faults if one.message != "Required"]
        if faults:
            raise InvalidInput(faults)


def inputs() -> Iterator[Input]:
    """Yield every field of every body that is read by its struct."""
    for dialect in DIALECTS:
        for struct in dict.fromkeys(one.body for _, one in dialect.operations if one.body is not None):
            info = inspect.type_info(struct)
            assert isinstance(info, inspect.StructType)
            plans = plan_struct(struct)
            yield from (
                Input(dialect, struct, field, plans[field.name])
                for field in info.fields
                if field.name in plans and field.name in properties_of(dialect, struct)
            )


def properties_of(dialect: Dialect, struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the documented properties of a struct, which older spellings are not among."""
    schemas: dict[str, Any] = document_of(dialect.name)["components"]["schemas"]
    properties: dict[str, Any] = schemas[struct.__name__]["properties"]
    return properties


INPUTS = list(inputs())
EVERY_INPUT = pytest.mark.parametrize("one", INPUTS, ids=map(str, INPUTS))


def boundary_values(kind: inspect.Type) -> Iterator[Any]:
    """Yield values on both sides of every limit that a type has."""
    if isinstance(kind, inspect.StrType) and kind.max_length is not None:
        yield from ("a" * kind.max_length, "a" * (kind.max_length + 1))
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        yield from (limit + step for limit in (kind.ge, kind.le) if limit is not None for step in (-1, 0, 1))
    if isinstance(kind, inspect.ListType):
        item = without_metadata(kind.item_type)[1].get(OPTIONS, ("a",))[0]
        limits = [limit for limit in (kind.min_length, kind.max_length) if limit is not None]
        # Tags without duplicates are counted, so the elements differ.
        numbers = [""] if item != "a" else ["", *map(str, range(max(limits, default=0)))]
        many = [item + number for number in numbers]
        yield from (
            list(islice(cycle(many), size))
            for limit in limits
            for size in range(limit - 1, limit + 2)
            if size >= 0
        )


def is_read(one: Input, value: Any) -> bool:
    """Tell whether a value is read."""
    try:
        one.read(value)
    except (InvalidInput, ContentTooLarge):
        return False
    return True


def test_every_kind_of_input_is_here() -> None:
    """An empty run proves nothing."""
    assert len(INPUTS) > 60
    assert {str(one) for one in INPUTS} >= {
        *("misar KeyCreate.name", "topmail ConversionCreate.revenue"),
        *("misar ContactCreate.tags", "topmail ContactPatch.email", "misar BulkUpdate.update"),
    }


@EVERY_INPUT
def test_what_the_document_refuses_is_refused(one: Input) -> None:
    """Limits, patterns, words and types: no value is read that its schema forbids.

    A condition has a reader of its own, and the handler reads the contacts of an import. An id that is none
    names nothing, which is a 404.
    """
    kind, extra, schema, _ = without_metadata(one.field.type)
    values = (*boundary_values(kind), *TEXTS, *OF_EVERY_TYPE)
    if isinstance(kind, inspect.RawType):
        values = ()
    if LEFT_TO_HANDLER in extra:
        values = tuple(value for value in OF_EVERY_TYPE if not isinstance(value, list))
    if one.field.name in IDS:
        assert "pattern" in schema or isinstance(kind, inspect.ListType)
        values = OF_EVERY_TYPE[:-1]
    for value in values:
        if not one.is_documented(value):
            assert not is_read(one, value), value


@EVERY_INPUT
def test_the_words_of_a_field_are_those_of_the_document(one: Input) -> None:
    """Each word of the enumeration is read, and no other is among those that a refusal lists."""
    kind, extra, schema, _ = without_metadata(one.field.type)
    item = kind
    if isinstance(kind, inspect.ListType):
        item, extra, schema, _ = without_metadata(kind.item_type)
    named = one.dialect.named_schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    if not isinstance(item, inspect.StrType) or "enum" not in named:
        assert OPTIONS not in extra
        return
    assert sorted(extra[OPTIONS]) == sorted(named["enum"])
    for word in named["enum"]:
        assert is_read(one, [word] if item is not kind else word)


@EVERY_INPUT
def test_limits_let_through_what_lies_on_them(one: Input) -> None:
    """The longest text and the greatest number are read, unless a pattern or a check forbids them."""
    kind, *_ = without_metadata(one.field.type)
    for value in boundary_values(kind):
        if one.is_documented(value):
            assert is_read(one, value), value


@EVERY_INPUT
def test_required_is_what_the_document_requires(one: Input) -> None:
    """A required member is asked for; one that another can replace is the handler's to ask for."""
    _, extra, _, _ = without_metadata(one.field.type)
    assert one.plan.is_required == (one.field.required and REPLACEABLE not in extra)
    reader = BodyReader({})
    reader.read(one.struct)
    asked = {fault.path for fault in reader._faults if fault.message == "Required"}
    assert ((one.plan.keys[0],) in asked) == one.plan.is_required


def test_a_type_without_a_reader_is_refused() -> None:
    """A struct whose input nobody can read fails when it is planned, not at a request."""

    class Odd(msgspec.Struct):
        many: set[str]

    with pytest.raises(TypeError, match="No input is of SetType"):
        plan_struct(Odd)


def test_elements_of_texts_stop_at_the_first_fault() -> None:
    """Thousands of wrong elements are one fault; of words each is one."""
    plan = next(one.plan for one in INPUTS if str(one) == "misar MembersChange.contactIds")
    assert plan.read is not None
    with pytest.raises(InvalidInput) as refused:
        plan.read(Given([1, 2, 3], ("contactIds",)))
    assert len(refused.value.faults) == 1


def queries() -> Iterator[tuple[Dialect, type[msgspec.Struct], inspect.Field]]:
    """Yield every parameter of every query."""
    for dialect in DIALECTS:
        for struct in dict.fromkeys(one.query for _, one in dialect.operations if one.query is not None):
            info = inspect.type_info(struct)
            assert isinstance(info, inspect.StructType)
            yield from ((dialect, struct, field) for field in info.fields)


EVERY_PARAMETER = pytest.mark.parametrize(
    ("dialect", "struct", "field"),
    [pytest.param(*one, id=f"{one[0].name} {one[1].__name__}.{one[2].name}") for one in queries()],
)


def read_parameter(struct: type[msgspec.Struct], field: inspect.Field, value: str) -> Any:
    """Return the value of a parameter; raise `InvalidInput`."""
    reader = QueryReader({field.encode_name: value})
    found = getattr(reader.read(struct, field.name), field.name)
    if faults := [one for one in reader.faults if one.message != "Required"]:
        raise InvalidInput(faults)
    return found


@EVERY_PARAMETER
def test_a_parameter_is_read_as_it_is_documented(
    dialect: Dialect, struct: type[msgspec.Struct], field: inspect.Field
) -> None:
    """Numbers have the minimum of the document and are reduced to a maximum; words are those listed."""
    kind, extra, schema, _ = without_metadata(field.type)
    read = partial(read_parameter, struct, field)
    if field.name not in plan_query(struct):
        return  # another spelling of a parameter
    if isinstance(kind, inspect.IntType):
        assert kind.ge is not None
        assert read(str(kind.ge)) == kind.ge
        assert read(str(extra[REDUCED_TO])) == read(str(extra[REDUCED_TO] + 1)) == extra[REDUCED_TO]
        for value in (str(kind.ge - 1), "", "1.0", " 1", "+1", "\u0661"):
            with pytest.raises(InvalidInput):
                read(value)
    if isinstance(kind, inspect.BoolType):
        assert [read("true"), read("false")] == [True, False]
        with pytest.raises(InvalidInput):
            read("True")
    named = dialect.named_schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    if isinstance(kind, inspect.StrType) and "enum" in named:
        assert [read(word) for word in named["enum"]] == named["enum"]
        with pytest.raises(InvalidInput):
            read("word")


@EVERY_PARAMETER
def test_a_required_parameter_is_asked_for(
    dialect: Dialect, struct: type[msgspec.Struct], field: inspect.Field
) -> None:
    """A parameter without a default is required."""
    del dialect
    reader = QueryReader({})
    reader.read(struct)
    assert ((field.encode_name,) in [one.path for one in reader.faults]) == field.required


def test_spellings_come_before_the_size() -> None:
    """Two spellings that differ are a fault of the input, however long one of the lists is."""
    many = msgspec.Raw(msgspec.json.encode(["a"] * 10_001))
    with pytest.raises(InvalidInput, match="Differs from ids"):
        bulk_input.read_contact_ids({"ids": many, "contact_ids": msgspec.Raw(b"[]")})
    with pytest.raises(ContentTooLarge):
        bulk_input.read_contact_ids({"ids": many})


def test_all_faults_of_an_update_are_collected() -> None:
    """The ids, a member that no update has, and the values."""
    members = {"ids": b"1", "update": b'{"phone": 1, "email": "a", "customFields": {"": 1}, "tags": [""]}'}
    time = LocalTime(ZoneInfo("UTC"), 0)
    with pytest.raises(InvalidInput) as refused:
        bulk_input.read_bulk_update({key: msgspec.Raw(raw) for key, raw in members.items()}, time)
    assert [fault.path for fault in refused.value.faults] == [
        ("ids",),
        *[("update", key) for key in ("email", "phone", "tags")],
        ("update", "customFields", ""),
    ]
