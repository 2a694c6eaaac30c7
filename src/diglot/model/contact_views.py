"""Builds the view of a stored contact that conditions read, and finds which of the values differ.

It also reads what the instant index has of a contact.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import compress
from operator import attrgetter, ne
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import asdict

from diglot.conditions.computed.anniversaries import month_day_of
from diglot.conditions.computed_fields import SEGMENTS, source_of
from diglot.conditions.contact_view import AttributeView, ContactFields, ContactView
from diglot.conditions.events.fields import EventValue, is_event_field
from diglot.conditions.fields import ATTRIBUTE_PREFIX, attribute_key
from diglot.model.contacts import Contact

# The fields that a write can change; attributes are compared one by one.
_COMPARED_FIELDS: Final = tuple(
    name for name in Contact.__struct_fields__ if name not in ("pk", "id", "attributes")
)
_compared_values_of = attrgetter(*_COMPARED_FIELDS)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Surroundings(NamedTuple):
    """What conditions read of a contact beside its row.

    `lists` are the ids of the static lists that contain it, `events` the values of computed fields of events
    by their names, without those that are as if it had no events. `segments` are the static segments that
    contain it, of those that conditions name, as `segments` is written in conditions that are evaluated.
    """

    lists: Collection[str] = ()
    events: Mapping[str, EventValue] = {}
    segments: Collection[str] = ()


# By the key of the contact.
SurroundingsByKey = Mapping[int, Surroundings]
NO_SURROUNDINGS: Final = Surroundings()


def view_of(contact: Contact, around: Surroundings, zone: ZoneInfo) -> ContactView:
    """Return the view of a contact."""
    return ContactView(_fields_of(contact, around), _decode(contact.attributes), around.lists, zone)


def views_before_and_after(
    before: Contact | None,
    after: Contact | None,
    around: tuple[Surroundings, Surroundings],
    zone: ZoneInfo,
) -> tuple[ContactView | None, ContactView | None]:
    """Return the views of a contact before and after a write; None for a contact that does not exist.

    A write of contacts leaves their lists as they are, but an event changes what is `around` one.
    """
    old_view = None if before is None else view_of(before, around[0], zone)
    if after is None:
        return old_view, None
    if old_view is not None and before is after:
        # An event changes what is around its contact.
        fields = ContactFields(old_view.fields)
        for name in around[0].events:
            del fields[name]
        fields.update(around[1].events)
        fields[SEGMENTS] = around[1].segments
        return old_view, old_view.with_fields(fields)
    if old_view is not None and before is not None and before.attributes == after.attributes:
        return old_view, old_view.with_fields(_fields_of(after, around[1]))
    return old_view, view_of(after, around[1], zone)


def _fields_of(contact: Contact, around: Surroundings) -> dict[str, Any]:
    # All columns, because that takes a third of the time of picking those that conditions read.
    fields = ContactFields(asdict(contact))
    fields["tags"] = _decode(contact.tags)
    if around.events:
        fields.update(around.events)
    fields[SEGMENTS] = around.segments
    return fields


def changed_surroundings(before: Surroundings, after: Surroundings) -> set[str]:
    """Return the computed fields of events that differ."""
    if before.events is after.events:
        return set()
    old, new = before.events, after.events
    return {name for name, value in new.items() if old.get(name) != value} | (old.keys() - new.keys())


def changed_fields(before: Contact, after: Contact) -> set[str]:
    """Return the fields that differ, by the names that conditions use."""
    if before is after:
        # An event changes what is around its contact.
        return set()
    differ = map(ne, _compared_values_of(before), _compared_values_of(after))
    names = set(compress(_COMPARED_FIELDS, differ))
    if "status" in names:
        names.add("subscribed")
    if "email_as_sent" in names:
        names.add("email")
    if before.attributes != after.attributes:
        old, new = _decode(before.attributes), _decode(after.attributes)
        names |= {f"{ATTRIBUTE_PREFIX}{key}" for key in old.keys() | new.keys() if _differs(old, new, key)}
    return names


def _differs(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> bool:
    if key not in old or key not in new:
        return True
    before, after = old[key], new[key]
    if type(before) is str and type(after) is str:
        return before != after
    # Compare the encoded values, because 1, 1.0 and true are equal in Python but three values here.
    return _encode(before) != _encode(after)


class IndexedFields:
    """Fields with an instant index, by canonical name: stored ones, anniversaries, those of events."""

    def __init__(self, names: Collection[str], zone: ZoneInfo) -> None:
        self._zone = zone
        # The names that read each core field, and each custom attribute by its key.
        self._of_core: defaultdict[str, list[str]] = defaultdict(list)
        self._of_keys: defaultdict[str, list[str]] = defaultdict(list)
        self._anniversaries = frozenset(name for name in names if source_of(name) != name)
        self._of_events = frozenset(filter(is_event_field, names))
        for name in set(names) - self._of_events:
            source = source_of(name)
            if (key := attribute_key(source)) is None:
                self._of_core[source].append(name)
            else:
                self._of_keys[key].append(name)

    def instants_of(
        self, contact: Contact, around: Surroundings, *, in_attributes: bool
    ) -> dict[str, EventValue]:
        """Return the instant or month-day of each field that a contact has; attributes can be left out.

        Some fields of events are several instants.
        """
        found = self.instants_of_events(around)
        for field, names in self._of_core.items():
            if (instant := getattr(contact, field)) is not None:
                self._add(found, names, instant)
        if not in_attributes or not self._of_keys:
            return found
        values = _decode(contact.attributes)
        for key in values.keys() & self._of_keys.keys():
            value = values[key]
            if isinstance(value, str) and (instant := AttributeView(value, self._zone).instant) is not None:
                self._add(found, self._of_keys[key], instant)
        return found

    def instants_of_events(self, around: Surroundings) -> dict[str, EventValue]:
        """Return the instant, or the instants, of each field of events that a contact has."""
        return {name: at for name, at in around.events.items() if name in self._of_events}

    def _add(self, found: dict[str, EventValue], names: Iterable[str], instant: int) -> None:
        for name in names:
            is_anniversary = name in self._anniversaries
            found[name] = month_day_of(instant, self._zone) if is_anniversary else instant
