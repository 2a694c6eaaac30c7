"""How each field of a struct is read: what msgspec tells of the struct, once for each struct."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from msgspec import inspect

from diglot.api.annotations import LEGACY_KEY, REPLACEABLE, SPELLINGS
from diglot.api.input.value_readers import ReadValue, build_reader, without_metadata


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field: the keys that a body may use for it, and what reads its value."""

    name: str
    keys: Sequence[str]
    has_default: bool
    is_required: bool
    is_nullable: bool
    read: ReadValue | None


@cache
def plan_struct(struct: type[msgspec.Struct]) -> dict[str, FieldPlan]:
    """Return how the fields of a struct are read, in their order.

    A field that documents an older spelling is not among them: it is a key of the field that it spells. A
    field of raw JSON, such as a condition, has no reader, because the handler reads it.
    """
    found = {}
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        kind, extra, schema, nullable = without_metadata(field.type)
        if LEGACY_KEY not in schema:
            keys = (field.encode_name, *extra.get(SPELLINGS, ()))
            read = None if isinstance(kind, inspect.RawType) else build_reader(kind, extra)
            is_required = field.required and REPLACEABLE not in extra
            found[field.name] = FieldPlan(field.name, keys, not field.required, is_required, nullable, read)
    return found
