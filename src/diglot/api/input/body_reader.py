"""Reads a body as the struct that documents it says, and keeps every fault in the order of reading."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api import rules
from diglot.api.annotations import Check
from diglot.api.input import request_body
from diglot.api.input.struct_plans import FieldPlan, plan_struct
from diglot.api.input.value_readers import Given
from diglot.conditions.check import check_condition
from diglot.conditions.tree import is_draft
from diglot.errors import Fault, InvalidInput, Path
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller

S = TypeVar("S", bound=msgspec.Struct)


class BodyReader:
    """The members of one body and the faults found so far; unknown members are ignored.

    `omit_nulls` takes a member that is null for one that was not sent.
    """

    def __init__(self, members: request_body.RawObject, *, omit_nulls: bool = False) -> None:
        if omit_nulls:
            members = {key: raw for key, raw in members.items() if bytes(raw) != b"null"}
        self._members = members
        self._faults: list[Fault] = []
        self._required: set[type[msgspec.Struct]] = set()
        self._keys: dict[str, str] = {}
        # What each field that was read holds; `UNSET` is one that is at fault.
        self._values: dict[str, Any] = {}

    def add_fault(self, path: Path, message: str) -> None:
        """Keep a fault."""
        self._faults.append(Fault(path, message))

    def has(self, key: str) -> bool:
        """Tell whether the body has a member."""
        return key in self._members

    def is_null(self, key: str) -> bool:
        """Tell whether the body has a member that is null."""
        return key in self._members and bytes(self._members[key]) == b"null"

    def raise_faults(self) -> None:
        """Raise `InvalidInput` when there was any fault."""
        if self._faults:
            raise InvalidInput(self._faults)

    def read(self, struct: type[S], *names: str, checks: Mapping[str, Check] | None = None) -> S:
        """Read the named fields of a struct, or all that were not read before.

        The first call keeps a fault for each required field that is not there. `checks` are what only the
        handler can tell of a value. A field that is at fault, not read or of raw JSON has its default, or is
        `UNSET` even where its type does not say so: the handler calls `raise_faults` before it uses it.
        """
        plans = plan_struct(struct)
        if struct not in self._required:
            self._required.add(struct)
            self.require(*[self._find_key(plan) for plan in plans.values() if plan.is_required])
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
            value = request_body.decode_value(self._members[key], (key,))
            if value is not None or not plan.is_nullable:
                value = plan.read(Given(value, self._members[key], (key,)))
                if check is not None and (message := check(value)) is not None:
                    raise InvalidInput.at((key,), message)
            self._values[plan.name] = value
        except InvalidInput as invalid:
            self._faults.extend(invalid.faults)

    def find_keys(self, struct: type[msgspec.Struct], *names: str) -> None:
        """Keep the faults of keys that spell one of these fields differently before any field is read."""
        for name in names:
            self._find_key(plan_struct(struct)[name])

    def key_of(self, name: str) -> str:
        """Return the key under which the body has a field that was read."""
        return self._keys[name]

    def json_of(self, name: str) -> msgspec.Raw | None:
        """Return a field that was read as it was sent, without the white space; None without one."""
        raw = self._members.get(self.key_of(name))
        return None if raw is None else msgspec.Raw(request_body.compact_json(raw).encode())

    def _find_key(self, plan: FieldPlan) -> str:
        """Return the key that the body uses for a field, or the first; keep a fault where two differ."""
        if plan.name not in self._keys:
            self._keys[plan.name] = self.resolve_spelling(*plan.keys)
        return self._keys[plan.name]

    def resolve_spelling(self, *spellings: str) -> str:
        """Return the spelling that the body uses, or the first; keep a fault where two differ."""
        used = [spelling for spelling in spellings if spelling in self._members] or [spellings[0]]
        for other in used[1:]:
            if self._decode_value(other) != self._decode_value(used[0]):
                self.add_fault((other,), f"Differs from {used[0]}")
        return used[0]

    def read_condition(
        self, key: str, dialect: str, words: rules.Words, caller: Caller, *, strict: bool
    ) -> Condition | UnsetType:
        """Read a condition in a dialect's words."""
        value = self._decode_value(key) if key in self._members else UNSET
        if value is UNSET:
            return UNSET
        try:
            node = check_condition(rules.read_condition(value, words, strict=strict), caller.zone)
        except InvalidInput as invalid:
            self._faults.extend(Fault((key, *fault.path), fault.message) for fault in invalid.faults)
            return UNSET
        # A draft is shown as an empty group, whatever was left out of it; a synonym is not shown.
        respelled = is_draft(node) or words.synonyms
        text = (
            rules.write_condition(node, words) if respelled else request_body.compact_json(self._members[key])
        )
        return Condition(node, OriginalText(dialect, text))

    def require(self, *keys: str) -> None:
        """Keep a fault for each member that is not there."""
        for key in keys:
            if key not in self._members:
                self.add_fault((key,), "Required")

    def _decode_value(self, key: str) -> object:
        try:
            return request_body.decode_value(self._members[key], (key,))
        except InvalidInput as invalid:
            self._faults.extend(invalid.faults)
            return UNSET
