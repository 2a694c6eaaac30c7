"""Plans for reading the fields of a struct, derived from msgspec's type information once for each struct."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect

from diglot.api.annotations import LEGACY_KEY, REPLACEABLE, SPELLINGS
from diglot.api.input.parameter_readers import build_parameter_reader
from diglot.api.input.value_readers import ReadValue, build_reader, without_metadata


class FieldPlan(msgspec.Struct, frozen=True):
    """One field: the properties that a body may use for it, and the reader of its value."""

    name: str
    keys: Sequence[str]
    has_default: bool
    is_required: bool
    is_nullable: bool
    read: ReadValue | None


Plans: TypeAlias = Mapping[str, FieldPlan]


@cache
def plan_struct(struct: type[msgspec.Struct]) -> Plans:
    """Return the plans for the fields of a struct of a body, in order.

    An older spelling that another field lists has no plan of its own: it is a further property of that field.
    A raw JSON field, such as a condition, has no reader, because the handler reads it.
    """
    return _plan_fields(struct, build_reader)


@cache
def plan_query(struct: type[msgspec.Struct]) -> Plans:
    """Return the plans for the parameters of a query, whose values are text, as in a form."""
    return _plan_fields(struct, build_parameter_reader)


def _plan_fields(
    struct: type[msgspec.Struct], build: Callable[[inspect.Type, Mapping[str, Any]], ReadValue]
) -> Plans:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    described = [(field, *without_metadata(field.type)) for field in info.fields]
    listed = {key for _, _, extra, *_ in described for key in extra.get(SPELLINGS, ())}
    found = {}
    for field, kind, extra, schema, nullable in described:
        if not (LEGACY_KEY in schema and field.encode_name in listed):
            keys = (field.encode_name, *extra.get(SPELLINGS, ()))
            read = None if isinstance(kind, inspect.RawType) else build(kind, extra)
            is_required = field.required and REPLACEABLE not in extra
            found[field.name] = FieldPlan(field.name, keys, not field.required, is_required, nullable, read)
    return found
