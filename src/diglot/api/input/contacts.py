"""Reads contacts by the struct that documents them, from bodies and from the rows of imports."""

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.api.input import beside_fields, request_body
from diglot.api.input.beside_fields import NOTHING, BesideFields
from diglot.api.input.struct_plans import FieldPlan, plan_struct
from diglot.api.input.value_readers import Given, ReadValue
from diglot.clock import FUTURE_FAULT, is_in_future
from diglot.conditions.addresses import normalize_address
from diglot.conditions.dates import ParsedDate
from diglot.conditions.fields import stricter
from diglot.conditions.operands import wrong_type_error
from diglot.errors import Fault, InvalidInput
from diglot.model.contacts import SUBSCRIBED, ContactChange

_encode = msgspec.json.Encoder(order="sorted").encode
_LIST_KEY: Final = "list_id"
_EMAIL_KEY: Final = "email"


class LocalTime(msgspec.Struct, frozen=True):
    """The time zone of a workspace, in which dates are read, and the present instant in microseconds."""

    zone: ZoneInfo
    now: int


class ContactValues(msgspec.Struct, frozen=True, gc=False):
    """The valid values of a contact by field name; dates are parsed, but not in a time zone yet.

    `given` are the members that they were read from, and `beside` is what others say.
    """

    fields: dict[str, Any]
    attributes: dict[str, Any] = {}
    subscribed: bool | None = None
    lists_to_join: tuple[str, ...] = ()
    given: dict[str, Given] = {}
    beside: BesideFields = NOTHING

    @property
    def is_empty(self) -> bool:
        """Tell whether no field of a contact was given."""
        is_silent = self.subscribed is None and self.beside.lowered is None
        return is_silent and not (self.fields or self.attributes or self.lists_to_join)

    def to_change(
        self, time: LocalTime, *, added_tags: tuple[str, ...] = (), lowered: str | None = None
    ) -> ContactChange:
        """Return the change, with instants in microseconds and both forms of the address.

        Raise `InvalidInput` for instants in the future.
        """
        values = dict(self.fields)
        faults = [
            Fault((key,), FUTURE_FAULT)
            for key, created in self.beside.created.items()
            if is_in_future(created.to_instant(time.zone), time.now)
        ]
        for name, value in self.fields.items():
            if type(value) is ParsedDate:
                values[name] = instant = value.to_instant(time.zone)
                if is_in_future(instant, time.now):
                    faults.append(Fault(self.given[name].path, FUTURE_FAULT))
        if faults:
            raise InvalidInput(faults)
        if _EMAIL_KEY in values:
            sent: str = values[_EMAIL_KEY]
            values[_EMAIL_KEY] = email = normalize_address(sent)
            values["email_as_sent"] = None if sent == email else sent
        lowered = stricter(lowered, self.beside.lowered)
        return ContactChange(
            values, self.attributes, self.subscribed, self.lists_to_join, added_tags, lowered
        )


class ContactReader:
    """Reads contacts of one kind of body; both dialects accept the casings of both vendors.

    Custom attributes may stand in several containers. Faults are in the order of the members, and those of
    attributes and lists last.
    """

    def __init__(self, struct: type[msgspec.Struct], attributes_key: str) -> None:
        self._plans = plan_struct(struct)
        self._by_key = {key: plan for plan in self._plans.values() for key in plan.keys}
        self._attributes_key = attributes_key
        self._containers = self._plans[attributes_key].keys
        self._last = (*self._containers, *((_LIST_KEY,) if _LIST_KEY in self._plans else ()))
        # The field name for each property of a field with a fixed type.
        self.spellings = {key: plan.name for key, plan in self._by_key.items() if key not in self._last}
        self._required = tuple(plan.name for plan in self._plans.values() if plan.is_required)

    def read_body(
        self, members: request_body.RawObject, time: LocalTime, *, required: tuple[str, ...] = ()
    ) -> ContactChange:
        """Return the change that a body means; raise `InvalidInput` with all faults.

        `required` are fields that this call needs, although the struct does not.
        """
        faults: list[Fault] = []
        decoded: dict[str, Any] = {}
        unread: list[str] = []
        for key, raw in members.items():
            if (plan := self._by_key.get(key)) is not None:
                try:
                    decoded[key] = request_body.decode_value(raw, (key,))
                except InvalidInput as invalid:
                    faults += invalid.faults
                    unread.append(plan.name)
        given = self._collect(decoded, faults)
        self._require([name for name in (*self._required, *required) if name not in unread], given, faults)
        unknown = {key: members[key] for key in self.list_unknown(members)}
        beside = beside_fields.read_members(beside_fields.decode_members(unknown, faults), faults)
        return self._read_values(given, faults, beside).to_change(time)

    def read_object(self, members: Any, refused: Mapping[str, str] = MappingProxyType({})) -> ContactValues:
        """Return the values of a decoded object; raise `OperandError` or `InvalidInput` with all faults.

        `refused` has a message for each member that the object must not have.
        """
        if not isinstance(members, dict):
            raise wrong_type_error("object", members)
        faults = [Fault((key,), message) for key, message in refused.items() if key in members]
        given = self._collect(members, faults)
        self._require(self._required, given, faults)
        unknown = {key: members[key] for key in self.list_unknown(members)}
        return self._read_values(given, faults, beside_fields.read_members(unknown, faults))

    def collect(self, members: Mapping[str, Any]) -> dict[str, Given]:
        """Return the known members by field name, unread; raise `InvalidInput` if two spellings differ."""
        faults: list[Fault] = []
        given = self._collect(members, faults)
        if faults:
            raise InvalidInput(faults)
        return given

    def list_unknown(self, members: Iterable[str]) -> list[str]:
        """Return those of the members that no field has as its property."""
        return [key for key in members if key not in self._by_key]

    def read_fields(self, given: Mapping[str, Given]) -> ContactValues:
        """Return the values of fields by name; raise `InvalidInput` with all faults."""
        faults: list[Fault] = []
        self._require(self._required, given, faults)
        return self._read_values(given, faults)

    def reader_of(self, name: str) -> ReadValue:
        """Return the reader of a field's value, which raises `InvalidInput`."""
        read = self._plans[name].read
        assert read is not None
        return read

    def _collect(self, members: Mapping[str, Any], faults: list[Fault]) -> dict[str, Given]:
        """Return the members by field name, and record a fault if two spellings of a field differ.

        Each container of custom attributes is returned by its own name.
        """
        found: dict[str, Given] = {}
        for key, value in members.items():
            if (plan := self._by_key.get(key)) is None:
                continue
            name = key if plan.name == self._attributes_key else plan.name
            if (first := found.get(name)) is None:
                found[name] = Given(value, (key,))
            elif not _are_equal(first.value, value):
                faults.append(Fault((key,), f"Differs from {first.path[-1]}"))
        return found

    def _require(self, names: Iterable[str], given: Mapping[str, Given], faults: list[Fault]) -> None:
        faults += [Fault((self._plans[name].keys[0],), "Required") for name in names if name not in given]

    def _read_values(
        self, given: Mapping[str, Given], faults: list[Fault], beside: BesideFields = NOTHING
    ) -> ContactValues:
        values: dict[str, Any] = {}
        for name, one in given.items():
            if name not in self._last:
                _read_into(values, self._plans[name], one, faults)
        attributes: dict[str, Any] = {}
        for container in self._containers:
            if container in given:
                self._read_attributes(attributes, given, container, faults)
        if _LIST_KEY in given:
            _read_into(values, self._plans[_LIST_KEY], given[_LIST_KEY], faults)
        joined = (values.pop(_LIST_KEY),) if _LIST_KEY in values else ()
        subscribed = values.pop("subscribed", None)
        if subscribed is not None and "status" in values:
            if not faults and subscribed != (values["status"] == SUBSCRIBED):
                faults.append(Fault(given["subscribed"].path, "Contradicts status"))
            subscribed = None
        if faults:
            raise InvalidInput(faults)
        return ContactValues(values, attributes, subscribed, joined, dict(given), beside)

    def _read_attributes(
        self, merged: dict[str, Any], given: Mapping[str, Given], container: str, faults: list[Fault]
    ) -> None:
        """Add the attributes of a container; record a fault for one that differs in another container."""
        read: dict[str, Any] = {}
        _read_into(read, self._plans[self._attributes_key], given[container], faults)
        found = read.get(self._attributes_key, {})
        for key in [name for name in found if name in merged]:
            if not _are_equal_json(merged[key], found[key]):
                faults.append(Fault((*given[container].path, key), "Differs from another of its containers"))
        merged.update(found)


@cache
def contact_reader(struct: type[msgspec.Struct], attributes_key: str) -> ContactReader:
    """Return the reader of a struct, which is built at its first use so that a start does not wait for it."""
    return ContactReader(struct, attributes_key)


def _read_into(values: dict[str, Any], plan: FieldPlan, given: Given, faults: list[Fault]) -> None:
    assert plan.read is not None
    try:
        value = given.value
        values[plan.name] = None if value is None and plan.is_nullable else plan.read(given)
    except InvalidInput as invalid:
        faults += invalid.faults


def _are_equal_json(one: Any, other: Any) -> bool:
    # Compare the encoded values, because 1, 1.0 and true are equal in Python but three values here.
    return _encode(one) == _encode(other)


def _are_equal(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
