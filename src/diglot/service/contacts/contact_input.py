"""The door for contact values: what a body may say of a contact, checked into a `Change`.

A dialect hands over what was given under canonical names, each with the path it stood at.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text
from diglot.conditions.fields import FIELDS, STATUS_ALIASES, STATUSES, Field, Kind, key_fault
from diglot.conditions.operands import Unfit, expected, json_type, text_fault
from diglot.errors import Fault, Invalid, Path
from diglot.model.contacts import SUBSCRIBED, Change

MOST_TAGS: Final = 50
LONGEST_TAG: Final = 100
DEEPEST_ATTRIBUTE: Final = 32
_ANY_ZONE: Final = ZoneInfo("UTC")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f.]+(\.[^\s@\x00-\x1f\x7f.]+)+")
_KEPT: Final = frozenset({"created_at", "updated_at", "lists"})
WRITABLE: Final = tuple(name for name in FIELDS if name not in _KEPT)
_CLEARABLE: Final = frozenset(
    {
        *("first_name", "last_name", "phone", "company", "job_title", "source"),
        *("engagement_score", "lead_score", "last_opened_at", "last_clicked_at", "last_emailed_at"),
    }
)


@dataclass(frozen=True, slots=True)
class Given:
    """A value of a body and the path it stood at."""

    value: Any
    path: Path


@dataclass(slots=True)
class _Check:
    zone: ZoneInfo
    faults: list[Fault] = field(default_factory=list)

    def value(self, name: str, given: Given) -> Any:
        try:
            if given.value is None and name in _CLEARABLE:
                return None
            return _READERS[FIELDS[name].kind](given.value, FIELDS[name], self.zone)
        except Unfit as unfit:
            self.faults.append(Fault(given.path, str(unfit)))
            return None

    def attributes(self, given: Given) -> dict[str, Any]:
        if not isinstance(given.value, dict):
            self.faults.append(Fault(given.path, str(expected("object", given.value))))
            return {}
        for key, value in given.value.items():
            message = key_fault(key)
            if message is not None:
                self.faults.append(Fault((*given.path, key), message))
            else:
                self.json(value, (*given.path, key), 0)
        return given.value

    def json(self, value: Any, path: Path, depth: int) -> None:
        """Keep the first fault of a value: each repeats the keys above it, however long these are."""
        self.faults.extend(islice(_json_faults(value, path, depth), 1))


def _json_faults(value: Any, path: Path, depth: int) -> Iterator[Fault]:
    if depth > DEEPEST_ATTRIBUTE:
        yield Fault(path, f"Values nest at most {DEEPEST_ATTRIBUTE} deep")
    elif isinstance(value, str):
        if (message := text_fault(value)) is not None:
            yield Fault(path, message)
    elif text.is_number(value):
        if not text.number_fits(value):
            yield Fault(path, "Number is out of range")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _json_faults(element, (*path, index), depth + 1)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _json_faults(key, (*path, key), depth)
            yield from _json_faults(member, (*path, key), depth + 1)


def read_change(
    fields: Mapping[str, Given], attributes: Given | None, zone: ZoneInfo, lists: Given | None = None
) -> Change:
    """Return the checked change; raise `Invalid` with every fault, in the order given."""
    check = _Check(zone)
    values = {name: check.value(name, given) for name, given in fields.items()}
    merged = {} if attributes is None else check.attributes(attributes)
    joined = () if lists is None else _list_ids(lists, check)
    subscribed = values.pop("subscribed", None)
    if not check.faults and subscribed is not None and "status" in values:
        if subscribed != (values["status"] == SUBSCRIBED):
            check.faults.append(Fault(fields["subscribed"].path, "Contradicts status"))
        subscribed = None
    if check.faults:
        raise Invalid(check.faults)
    return Change(values, merged, subscribed, joined)


def json_faults(value: Any, path: Path) -> list[Fault]:
    """Return the first thing that no JSON which is kept may hold: what attributes refuse."""
    check = _Check(_ANY_ZONE)
    check.json(value, path, -1)  # an object of attributes is no level either
    return check.faults


def require_email(fields: Mapping[str, Given], path: Path) -> None:
    """Raise `Invalid` when no address is given."""
    if "email" not in fields:
        raise Invalid.at(path, "Required")


def _list_ids(given: Given, check: _Check) -> tuple[str, ...]:
    if not isinstance(given.value, str):
        check.faults.append(Fault(given.path, str(expected("string", given.value))))
        return ()
    return (given.value,)


def _text(value: Any, row: Field, zone: ZoneInfo) -> str:
    del zone
    if not isinstance(value, str):
        raise expected("string", value)
    if (fault := text_fault(value)) is not None:
        raise Unfit(fault)
    if len(value) > row.longest:
        raise Unfit(f"String must contain at most {row.longest} character(s)")
    if row.name != "email":
        return value
    if not _EMAIL.fullmatch(value):
        raise Unfit("Invalid email")
    return text.email_form(value)


def _status(value: Any, row: Field, zone: ZoneInfo) -> str:
    del row, zone
    if not isinstance(value, str):
        raise expected("string", value)
    found = STATUS_ALIASES.get(value, value)
    if found not in STATUSES:
        options = " | ".join(f"'{status}'" for status in STATUSES)
        raise Unfit(f"Invalid enum value. Expected {options}, received '{value[:100]}'")
    return found


def _boolean(value: Any, row: Field, zone: ZoneInfo) -> bool:
    del row, zone
    if not isinstance(value, bool):
        raise expected("boolean", value)
    return value


def _tags(value: Any, row: Field, zone: ZoneInfo) -> list[str]:
    del row, zone
    if not isinstance(value, list):
        raise expected("array", value)
    found: dict[str, str] = {}
    for tag in value:
        if not isinstance(tag, str):
            raise expected("array of strings, an element", tag)
        if text_fault(tag) is not None or text.is_blank(tag) or len(tag) > LONGEST_TAG:
            raise Unfit(f"A tag has 1 to {LONGEST_TAG} characters, is not blank and holds no U+0000")
        found.setdefault(text.nfc(tag), tag)
    if len(found) > MOST_TAGS:
        raise Unfit(f"Array must contain at most {MOST_TAGS} element(s)")
    return list(found.values())


def _number(value: Any, row: Field, zone: ZoneInfo) -> float:
    del zone
    if not text.is_number(value):
        raise expected("number", value)
    if row.whole and value != int(value):
        raise Unfit("Expected integer, received float")
    if not 0 <= value <= row.greatest:
        raise Unfit(f"Number must be between 0 and {int(row.greatest)}")
    return int(value) if row.whole else float(value)


def _instant(value: Any, row: Field, zone: ZoneInfo) -> int:
    del row
    if not isinstance(value, str):
        raise Unfit(f"Expected string, received {json_type(value)}")
    if (moment := dates.received(value)) is None:
        raise Unfit("Invalid date: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ")
    return moment.instant(zone)


_READERS: Final[dict[Kind, Callable[[Any, Field, ZoneInfo], Any]]] = {
    Kind.TEXT: _text,
    Kind.CHOICE: _status,
    Kind.BOOLEAN: _boolean,
    Kind.TAGS: _tags,
    Kind.NUMBER: _number,
    Kind.INSTANT: _instant,
}
