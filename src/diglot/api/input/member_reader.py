"""Reads the members of a body or a query string by the struct that documents them, and records all faults."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from diglot.api.annotations import Check
from diglot.api.input.struct_plans import FieldPlan, Plans
from diglot.api.input.value_readers import Given
from diglot.errors import ContentTooLarge, Fault, InvalidInput, Path

S = TypeVar("S", bound=msgspec.Struct)


class MemberReader(ABC):
    """The members as sent and the faults found so far, in reading order; unknown members are ignored.

    `faults` is the list to append to, if several inputs share one.
    """

    def __init__(self, members: Mapping[str, Any], faults: list[Fault] | None = None) -> None:
        self._members = members
        self._faults: list[Fault] = [] if faults is None else faults
        self._required: set[str] = set()
        self._keys: dict[str, str] = {}
        # The value of each field that was read; `UNSET` if it is invalid.
        self._values: dict[str, Any] = {}

    @abstractmethod
    def _plan_struct(self, struct: type[msgspec.Struct]) -> Plans:
        """Return how the fields of a struct are read from such members."""

    @abstractmethod
    def _take(self, key: str) -> Given:
        """Return a member; raise `InvalidInput` if it cannot be decoded."""

    @property
    def faults(self) -> list[Fault]:
        """The faults found so far; other readers may append to the list."""
        return self._faults

    def add_fault(self, path: Path, message: str) -> None:
        """Record a fault."""
        self._faults.append(Fault(path, message))

    def has(self, key: str) -> bool:
        """Tell whether a member was sent."""
        return key in self._members

    def raise_faults(self) -> None:
        """Raise `InvalidInput` if there was any fault."""
        if self._faults:
            raise InvalidInput(self._faults)

    def read(self, struct: type[S], *names: str, checks: Mapping[str, Check] | None = None) -> S:
        """Read the named fields of a struct, or all that were not read before.

        The first call records a fault for each missing required field. `checks` validate values that only
        the handler can judge. A field that is invalid, not read or raw JSON has its default, or is `UNSET`
        even if its type does not allow it, so the handler calls `raise_faults` before it uses the field.
        """
        plans = self._plan_struct(struct)
        missing = [one for one in plans.values() if one.is_required and one.name not in self._required]
        self._required.update(one.name for one in missing)
        self.require(*[self._find_key(one) for one in missing])
        for name in names or plans:
            if name not in self._values:
                self._read_field(plans[name], (checks or {}).get(name))
        given = {plan.name: UNSET for plan in plans.values() if not plan.has_default}
        given |= {name: value for name in plans if (value := self._values.get(name, UNSET)) is not UNSET}
        return struct(**given)

    def _read_field(self, plan: FieldPlan, check: Check | None) -> None:
        key = self._find_key(plan)
        if key not in self._members or plan.read is None:
            return
        self._values[plan.name] = UNSET
        try:
            given = self._take(key)
            value = given.value
            if value is not None or not plan.is_nullable:
                value = plan.read(given)
                if check is not None and (message := check(value)) is not None:
                    raise InvalidInput.at((key,), message)
            self._values[plan.name] = value
        except InvalidInput as invalid:
            self._faults.extend(invalid.faults)
        except ContentTooLarge:
            self.raise_faults()  # what was found before decides the status
            raise

    def find_keys(self, struct: type[msgspec.Struct], *names: str) -> None:
        """Record faults for different spellings of these fields before any field is read."""
        for name in names:
            self._find_key(self._plan_struct(struct)[name])

    def key_of(self, name: str) -> str:
        """Return the property that was sent for a field that was read."""
        return self._keys[name]

    def _find_key(self, plan: FieldPlan) -> str:
        """Return the property that was sent for a field, or the first; record a fault if two differ."""
        if plan.name not in self._keys:
            used = [key for key in plan.keys if key in self._members] or [plan.keys[0]]
            for other in used[1:]:
                if self._decode_value(other) != self._decode_value(used[0]):
                    self.add_fault((other,), f"Differs from {used[0]}")
            self._keys[plan.name] = used[0]
        return self._keys[plan.name]

    def require(self, *keys: str) -> None:
        """Record a fault for each missing member."""
        for key in keys:
            if key not in self._members:
                self.add_fault((key,), "Required")

    def _decode_value(self, key: str) -> object:
        try:
            return self._take(key).value
        except InvalidInput as invalid:
            self._faults.extend(invalid.faults)
            return UNSET
