"""Evaluates canonical conditions by the rules of the spec, without any code of the product."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import idna
import msgspec

KINDS: Mapping[str, str] = {
    **dict.fromkeys(["email", "first_name", "last_name", "phone", "company", "job_title", "source"], "text"),
    **dict.fromkeys(["engagement_score", "lead_score"], "number"),
    **dict.fromkeys(["total_opens", "total_clicks", "total_orders", "total_spent"], "number"),
    **dict.fromkeys(["created_at", "updated_at"], "instant"),
    **dict.fromkeys(["last_opened_at", "last_clicked_at", "last_emailed_at"], "instant"),
    "status": "choice",
    "subscribed": "boolean",
    "tags": "list",
    "lists": "ids",
}
# Tried in this order, each with the longest possible name.
EVENT_FIELDS = (
    re.compile(r"events\.(?P<name>.+)\.count"),
    re.compile(r"events\.(?P<name>.+)\.count\.(?P<length>[1-9][0-9]{0,4})(?P<unit>[dhm])"),
    re.compile(r"events\.(?P<name>.+)\.(?P<end>first|last)_at"),
    re.compile(r"events\.(?P<name>.+)\.sum\.(?P<summed>[^.]+)"),
    re.compile(r"events\.(?P<name>.+)\.sum\.(?P<summed>[^.]+)\.(?P<length>[1-9][0-9]{0,4})(?P<unit>[dhm])"),
)
UNITS = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000}
NEGATIVES: Mapping[str, str] = {
    "not_equals": "equals",
    "not_contains": "contains",
    "not_in": "in",
    "is_empty": "is_set",
}
ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": gt, "gte": ge, "lt": lt, "lte": le, "before": lt, "after": gt,
}  # fmt: skip
AFFIXES: Mapping[str, Callable[[str, str], bool]] = {"starts_with": str.startswith, "ends_with": str.endswith}
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?(?:(Z)|([+-])([0-9]{2}):([0-9]{2}))?)?"
)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: local clocks are counted in plain microseconds
MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000
HOUR = DAY // 24
# The calendar repeats after 400 years.
CYCLE = 146_097 * DAY
NEVER = 1 << 80


def kind_of(field: str) -> str:
    """Return the kind of a field; a computed one is a number, except the instants of events."""
    if field == "sample" or field.startswith(("sample.", "anniversary.")):
        return "number"
    if field == "segments":
        return "ids"
    if field.startswith("events."):
        return "instant" if field.endswith("_at") else "number"
    return KINDS.get(field, "attribute")


def nfc(text: str) -> str:
    """Normalize a text to NFC."""
    return unicodedata.normalize("NFC", text)


@lru_cache(maxsize=200_000)
def fold(text: str) -> str:
    """Fold a text for comparisons that ignore case."""
    return nfc(nfc(text).casefold())


def numeric(text: str) -> float | None:
    """Read numeric text; beyond 64 bits it is a double."""
    if not NUMBER.fullmatch(text):
        return None
    exact = None if "." in text else int(text)
    return exact if exact is not None and -(2**63) <= exact < 2**63 else float(text)


class Span(NamedTuple):
    """The range of a date or an instant in microseconds since the epoch; the end is exclusive."""

    start: int
    end: int


def clock(local: datetime, zone: str) -> int:
    """Count microseconds of a local clock: the offset before a gap, the first occurrence in an overlap."""
    offset = ZoneInfo(zone).utcoffset(local) or timedelta()
    return (local - EPOCH - offset) // MICROSECOND


def local_day(micros: int, zone: str) -> date:
    """Return the calendar day of an instant."""
    return (EPOCH.replace(tzinfo=UTC) + micros * MICROSECOND).astimezone(ZoneInfo(zone)).date()


@lru_cache(maxsize=100_000)
def day_begins(day: date, zone: str) -> int:
    """Return the first instant of a calendar day, also if midnight does not exist."""
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a local clock
    late, early = clock(midnight, zone), clock(midnight.replace(fold=1), zone)
    if early >= late:
        return late
    while early < late:  # the clock skipped midnight, so the day begins after the jump
        middle = (early + late) // 2
        early, late = (early, middle) if local_day(middle, zone) >= day else (middle + 1, late)
    return early


def day_span(day: date, zone: str) -> Span:
    """Return the instants of a calendar day."""
    last = day == date.max
    return Span(day_begins(day, zone), NEVER if last else day_begins(day + timedelta(days=1), zone))


@lru_cache(maxsize=200_000)
def moment(text: str, zone: str) -> Span | None:
    """Parse a date to its day and an instant to its microsecond; return None for other text."""
    match = MOMENT.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, ahead, beside = match.groups()
    try:
        if hour is None:
            return day_span(date(int(year), int(month), int(day)), zone)
        clock_parts = int(hour), int(minute), int(second or 0), int((fraction or "").ljust(6, "0"))
        local = datetime(int(year), int(month), int(day), *clock_parts)  # noqa: DTZ001 - a local clock
    except ValueError:
        return None
    if utc or not sign:
        start = clock(local, "UTC" if utc else zone)
    elif int(ahead) > 23 or int(beside) > 59:
        return None
    else:
        offset = timedelta(hours=int(ahead), minutes=int(beside))
        start = (local - EPOCH - (offset if sign == "+" else -offset)) // MICROSECOND
    return Span(start, start + 1)


@dataclass(frozen=True, slots=True)
class Scalar:
    """All readings of one stored value; a reading that does not fit is None."""

    text: str | None = None
    fold: str | None = None
    number: float | Fraction | None = None
    boolean: bool | None = None
    instant: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A field of one contact: its values, and whether they are in an array."""

    values: tuple[Scalar, ...] = ()
    many: bool = False
    is_set: bool = False


def read_scalar(value: object, zone: str) -> Scalar:
    """Read an attribute value in every way that its JSON type allows."""
    if isinstance(value, str):
        span = moment(value, zone)
        truth = {"true": True, "false": False}.get(value)
        return Scalar(nfc(value), fold(value), numeric(value), truth, span.start if span else None)
    if isinstance(value, bool | int | float):
        spelling = msgspec.json.encode(value).decode()
        if isinstance(value, bool):
            return Scalar(spelling, fold(spelling), boolean=value)
        return Scalar(spelling, fold(spelling), number=value)
    return Scalar()


def read_attribute(value: object, zone: str) -> Stored:
    """Read a custom attribute; an object has entries but no values."""
    if isinstance(value, list):
        return Stored(tuple(read_scalar(element, zone) for element in value), many=True, is_set=bool(value))
    if isinstance(value, dict):
        return Stored(is_set=bool(value))
    blank = isinstance(value, str) and not value.strip(WHITE_SPACE)
    return Stored((read_scalar(value, zone),), is_set=not blank)


def address(text: str) -> str:
    """Convert an address to lower case with its domain as A-labels; other text only to lower case."""
    local, _, domain = text.rpartition("@")
    if local and not domain.isascii():
        with suppress(idna.IDNAError):
            labels = [
                label if label.isascii() else idna.encode(label, uts46=True).decode()
                for label in domain.split(".")
            ]
            text = f"{local}@{'.'.join(labels)}"
    return nfc(nfc(text).lower())


def name_of(text: str) -> str:
    """Convert a tag or an attribute key to the form in which it is stored and compared."""
    return nfc(text).strip(WHITE_SPACE)


@lru_cache(maxsize=200_000)
def as_text(field: str, value: str) -> str:
    """Convert stored text or an operand of a catalogued field to the compared form."""
    if field == "email":
        return address(value)
    if field == "tags":
        return name_of(value)
    if field in {"lists", "segments"}:
        return value.lower()
    return "subscribed" if field == "status" and value == "active" else nfc(value)


def properties_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of an event by their names as they are compared."""
    own = {"machine": event["machine"]} if "machine" in event else {}
    return {name_of(key): value for key, value in {**event.get("properties", {}), **own}.items()}


def amount(value: object) -> Fraction:
    """Return what an amount is worth: a number or numeric text, by its spelling; all else is nothing."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return Fraction(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(repr(value))
    return Fraction()


def is_counted(event: Mapping[str, Any], where: Mapping[str, Any] | None, zone: str) -> bool:
    """Return whether an event counts for a rule: it matches `where`, and a machine caused it if that asks."""
    properties = properties_of(event)
    rules = [] if where is None else where.get("all", where.get("any"))
    if properties.get("machine") is True and "machine" not in {name_of(rule["field"]) for rule in rules}:
        return False
    subject = Subject({"attributes": properties}, zone, {})
    verdicts = [
        holds({**rule, "field": "attributes." + rule["field"]}, subject, datetime.min.replace(tzinfo=UTC))
        for rule in rules
    ]
    return where is None or (all(verdicts) if "all" in where else any(verdicts))


def read_events(
    contact: Mapping[str, Any], field: str, where: Mapping[str, Any] | None, now: datetime, zone: str
) -> Stored:
    """Read a field of the events that count at an instant."""
    parts = next(match for form in EVENT_FIELDS if (match := form.fullmatch(nfc(field)))).groupdict()
    found = []
    for event in contact.get("events", ()):
        span = moment(event["at"], "UTC")
        if span is not None and nfc(event["name"]) == parts["name"] and is_counted(event, where, zone):
            found.append((span.start, amount(properties_of(event).get(name_of(parts.get("summed") or "")))))
    instants = sorted(at for at, _ in found)
    if end := parts.get("end"):
        values = tuple(Scalar(instant=at) for at in instants)
        return Stored(values[:1] if end == "first" else values[-1:], is_set=bool(values))
    if length := parts.get("length"):
        until = (now.astimezone(UTC).replace(tzinfo=None) - EPOCH) // MICROSECOND
        since = max(until - int(length) * UNITS[parts["unit"]], contact.get("kept_since", -(2**62)))
        instants = [at for at in instants if since <= at <= until]
        found = [(at, worth) for at, worth in found if since <= at <= until]
    number = sum((worth for _, worth in found), Fraction()) if parts.get("summed") else len(instants)
    return Stored((Scalar(number=number),), is_set=True)


class Subject:
    """One contact as the evaluator sees it; fields are read once and cached."""

    def __init__(self, contact: Mapping[str, Any], zone: str, lists: Mapping[str, str]) -> None:
        self.zone = zone
        self.contact = contact
        self._attributes = {name_of(key): value for key, value in contact.get("attributes", {}).items()}
        self._lists = lists
        self._fields: dict[str, Stored] = {}

    def field_at(self, name: str, now: datetime) -> Stored:
        """Return a field, missing or not; an anniversary depends on the instant."""
        if not name.startswith("anniversary."):
            return self.field(name)
        source = self.field(resolved(name.removeprefix("anniversary.")))
        instants = [] if source.many else [v.instant for v in source.values if v.instant is not None]
        if not instants:
            return Stored()
        days = days_until(birthday(instants[0], self.zone), now.astimezone(ZoneInfo(self.zone)).date())
        return Stored((Scalar(number=days),), is_set=True)

    def field(self, name: str) -> Stored:
        """Return a field, missing or not."""
        if name not in self._fields:
            self._fields[name] = self._read(name)
        return self._fields[name]

    def _read(self, name: str) -> Stored:
        if name == "sample" or name.startswith("sample."):
            salt = name_of(name.removeprefix("sample").removeprefix("."))
            return Stored((Scalar(number=sample(salt, self.contact["id"])),), is_set=True)
        if name.startswith("attributes."):
            value = self._attributes.get(name_of(name.removeprefix("attributes.")))
            return Stored() if value is None else read_attribute(value, self.zone)
        status = self.contact.get("status", "subscribed")
        if name in {"status", "subscribed"}:
            return Stored((Scalar(text=status, boolean=status == "subscribed"),), is_set=True)
        value = self.contact.get(name)
        if name in {"tags", "lists", "segments"}:
            texts = [self._lists[each] for each in value or ()] if name == "lists" else value or ()
            keys = [as_text(name, each) for each in texts]
            return Stored(tuple(Scalar(key, fold(key)) for key in keys), many=True, is_set=bool(keys))
        value = 0 if value is None and name.startswith("total_") else value
        return Stored() if value is None else self._read_one(name, value)

    def _read_one(self, name: str, value: Any) -> Stored:
        kind = KINDS[name]
        if kind == "number":
            return Stored((Scalar(number=value),), is_set=True)
        if kind == "instant":
            span = moment(value, "UTC")
            return Stored((Scalar(instant=span.start if span else None),), is_set=True)
        text = as_text(name, value)
        return Stored((Scalar(text, fold(value)),), is_set=bool(value.strip(WHITE_SPACE)))


def sample(salt: str, id_: str) -> float:
    """Return the first 53 bits of the hash as a share of 100."""
    digest = blake2b(salt.encode() + b"\0" + id_.encode(), digest_size=8).digest()
    bits = "".join(f"{byte:08b}" for byte in digest)[:53]
    return int(bits, 2) / 2**53 * 100


def resolved(name: str) -> str:
    """Return the field of an anniversary as it is stored."""
    return name if name in KINDS or name.startswith("attributes.") else f"attributes.{name}"


@lru_cache(maxsize=100_000)
def birthday(instant: int, zone: str) -> tuple[int, int]:
    """Return the month and day of an instant; at the ends of the calendar as 400 years from there."""
    with suppress(OverflowError):
        return month_and_day(local_day(instant, zone))
    return month_and_day(local_day(instant + (CYCLE if instant < 0 else -CYCLE), zone))


def month_and_day(day: date) -> tuple[int, int]:
    """Return the month and the day of a date."""
    return day.month, day.day


@lru_cache(maxsize=100_000)
def days_until(wanted: tuple[int, int], today: date) -> int:
    """Count the days until a month and day come, one after the other."""
    for days in range(400):
        day = today + timedelta(days=days)
        is_common = day.year % 4 != 0 or (day.year % 100 == 0 and day.year % 400 != 0)
        found = month_and_day(day)
        if found == wanted or (is_common and wanted == (2, 29) and found == (2, 28)):
            return days
    raise AssertionError(wanted)


def holds_number(
    stored: float | Fraction | None, asked: float | None, test: Callable[[Any, Any], bool]
) -> bool:
    """Compare two integers exactly and everything else as doubles; other types never match."""
    if stored is None or asked is None:
        return False
    if isinstance(stored, Fraction):
        return test(stored, amount(asked))
    exact = isinstance(stored, int) and isinstance(asked, int)
    return test(stored, asked) if exact else test(float(stored), float(asked))


def equals(field: str, stored: Stored, asked: Any, zone: str) -> bool:
    """Return whether any stored value equals the operand, by the kind of the field or the operand's type."""
    kind = kind_of(field)
    if kind == "instant":
        span = moment(asked, zone)
        instants = [v.instant for v in stored.values if v.instant is not None]
        return span is not None and any(span.start <= instant < span.end for instant in instants)
    if kind == "number" and isinstance(asked, str):
        asked = numeric(asked)
    if kind == "boolean" and isinstance(asked, str):
        asked = asked == "true"
    if isinstance(asked, bool):
        return any(v.boolean is asked for v in stored.values)
    if isinstance(asked, str):
        text = as_text(field, asked)
        return any(v.text == text for v in stored.values)
    return any(holds_number(v.number, asked, eq) for v in stored.values)


def contains(field: str, stored: Stored, asked: Any, zone: str) -> bool:
    """Return whether an array has the element, or a scalar text contains the text, ignoring case."""
    if stored.many:
        return equals(field, stored, asked, zone)
    if not isinstance(asked, str):
        return False
    return any(fold(asked) in v.fold for v in stored.values if v.fold is not None)


def affix(operator: str, field: str, stored: Stored, asked: str) -> bool:
    """Return whether any scalar starts or ends with the text, ignoring case; a list id only as a whole."""
    if field == "lists":
        return any(v.text == asked.lower() for v in stored.values)
    return any(AFFIXES[operator](v.fold, fold(asked)) for v in stored.values if v.fold is not None)


def in_order(operator: str, stored: Stored, asked: Any, zone: str) -> bool:
    """Return whether a single stored number or instant has that order to the operand."""
    if stored.many:
        return False
    test = ORDERINGS[operator]
    span = moment(asked, zone) if isinstance(asked, str) else None
    if span is not None:
        return any(test(v.instant, span.start) for v in stored.values if v.instant is not None)
    number = numeric(asked) if isinstance(asked, str) else asked
    return any(holds_number(v.number, number, test) for v in stored.values)


@lru_cache(maxsize=100_000)
def window(operator: str, count: int, now: datetime, zone: str) -> Span:
    """Return the instants that an operator of days or hours covers."""
    instant = (now.astimezone(UTC).replace(tzinfo=None) - EPOCH) // MICROSECOND
    if operator == "exactly_days_ago":
        return day_span(now.astimezone(ZoneInfo(zone)).date() - timedelta(days=count), zone)
    length = count * (HOUR if "hours" in operator else DAY)
    if operator.startswith("in_next_"):
        return Span(instant, instant + length + 1)
    return (
        Span(instant - length, instant + 1)
        if operator.startswith("in_last_")
        else Span(-NEVER, instant - length)
    )


def positive(node: Mapping[str, Any], operator: str, subject: Subject, now: datetime) -> bool:
    """Evaluate one predicate whose operator is not a complement."""
    field, asked, zone = node["field"], node.get("operand"), subject.zone
    if field.startswith("events."):
        stored = read_events(subject.contact, field, node.get("where"), now, zone)
    else:
        stored = subject.field_at(field, now)
    if operator == "is_set":
        return stored.is_set
    if operator == "in":
        return bool(stored.values) and any(equals(field, stored, each, zone) for each in asked or ())
    if operator == "equals":
        return equals(field, stored, asked, zone)
    if operator == "contains":
        return contains(field, stored, asked, zone)
    if operator in AFFIXES:
        return affix(operator, field, stored, str(asked))
    if operator in ORDERINGS:
        return in_order(operator, stored, asked, zone)
    span = window(operator, int(asked or 0), now, zone)
    instants = [] if stored.many else [v.instant for v in stored.values if v.instant is not None]
    return any(span.start <= instant < span.end for instant in instants)


def holds(node: Mapping[str, Any], subject: Subject, now: datetime) -> bool:
    """Evaluate a node that is not a draft."""
    if "all" in node:
        return all(holds(each, subject, now) for each in node["all"])
    if "any" in node:
        return any(holds(each, subject, now) for each in node["any"])
    if "not" in node:
        return not holds(node["not"], subject, now)
    operator = node["operator"]
    if operator in NEGATIVES:
        return not positive(node, NEGATIVES[operator], subject, now)
    return positive(node, operator, subject, now)


def matches(
    condition: Mapping[str, Any],
    contact: Mapping[str, Any] | Subject,
    *,
    now: datetime,
    zone: str,
    lists: Mapping[str, str],
) -> bool:
    """Return whether a contact is a member; a draft has no members."""
    subject = contact if isinstance(contact, Subject) else Subject(contact, zone, lists)
    return condition not in ({"all": []}, {"any": []}) and holds(condition, subject, now)


@dataclass
class Definition:
    """A segment: its rules if it is dynamic, else the names of its members.

    Broken rules match nobody, and so do those that name a segment with broken rules, or without rules.
    """

    written: Mapping[str, Any] | None = None
    given: frozenset[str] = frozenset()
    is_broken: bool = False


def named_segments(node: Mapping[str, Any]) -> set[str]:
    """Return the segments that rules name."""
    if "operator" in node:
        asked = node.get("operand")
        named = asked if isinstance(asked, list) else [asked]
        return {str(each) for each in named} if node["field"] == "segments" else set()
    (inner,) = node.values()
    return set().union(*map(named_segments, inner if isinstance(inner, list) else [inner]))


def has_meaning(one: Definition, segments: Mapping[str, Definition]) -> bool:
    """Return whether a segment has members that a rule may ask for."""
    if one.written is None:
        return True
    if one.is_broken or one.written in ({"all": []}, {"any": []}):
        return False
    return all(has_meaning(segments[name], segments) for name in named_segments(one.written))


def segment_members(  # noqa: PLR0913 - the segment, all that it may name, and the world at an instant
    one: Definition,
    segments: Mapping[str, Definition],
    contacts: Mapping[str, Mapping[str, Any]],
    *,
    now: datetime,
    zone: str,
    lists: Mapping[str, str],
) -> frozenset[str]:
    """Return the names of the members of a segment, of those of the segments that its rules name."""
    if one.written is None:
        return one.given
    if not has_meaning(one, segments):
        return frozenset()
    named = {
        name: segment_members(segments[name], segments, contacts, now=now, zone=zone, lists=lists)
        for name in named_segments(one.written)
    }
    found = set()
    for who, contact in contacts.items():
        known = {**contact, "segments": [name for name, members in named.items() if who in members]}
        if matches(one.written, known, now=now, zone=zone, lists=lists):
            found.add(who)
    return frozenset(found)
