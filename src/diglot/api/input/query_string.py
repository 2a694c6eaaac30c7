"""Reads query strings by the struct that documents their parameters; a fault's path is the parameter."""

from collections.abc import Collection
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from diglot.api.input.member_reader import MemberReader
from diglot.api.input.struct_plans import Plans, plan_query
from diglot.api.input.value_readers import Given
from diglot.errors import Fault, InvalidInput

# No table has more rows, and every database still accepts the number.
MAX_OFFSET: Final = 2**53


def parse_query(query_string: bytes, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a query string; bytes that are not UTF-8 become U+FFFD.

    Raise `InvalidInput` if known parameters have two different values, because one would be dropped.
    """
    text = query_string.decode("latin-1")
    found: dict[str, str] = {}
    twice: dict[str, None] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=None):
        if found.setdefault(key, value) != value and key in known:
            twice[key] = None
    if twice:
        raise InvalidInput([Fault((key,), "The parameter is given twice") for key in twice])
    return found


def any_text(value: Any) -> Any:
    """Return the text of an id as sent: an invalid id is no fault, because it names nothing."""
    return value


class QueryReader(MemberReader):
    """The parameters of a query string or the text fields of a form, and the faults found so far."""

    def _plan_struct(self, struct: type[msgspec.Struct]) -> Plans:
        return plan_query(struct)

    def _take(self, key: str) -> Given:
        return Given(self._members[key], (key,))
