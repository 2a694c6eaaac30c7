"""Reads the members of a body one by one and keeps every fault, in the order they are asked for."""

from collections.abc import Sequence
from typing import Final

from diglot.conditions.check import check
from diglot.conditions.operands import expected, text_fault
from diglot.conditions.text import is_blank
from diglot.conditions.tree import is_draft
from diglot.dialects import bodies, rules
from diglot.errors import Fault, Invalid, Path
from diglot.model.segments import Condition, Source
from diglot.model.workspaces import Caller


class Missing:
    """The type of `MISSING`: a member that is not in the body, or is at fault."""


MISSING: Final = Missing()


class Reader:
    """The members of one body and the faults found so far."""

    def __init__(self, members: bodies.Members) -> None:
        self._members = members
        self._faults: list[Fault] = []

    def fault(self, path: Path, message: str) -> None:
        """Keep a fault."""
        self._faults.append(Fault(path, message))

    def has(self, key: str) -> bool:
        """Tell whether the body has a member."""
        return key in self._members

    def finish(self) -> None:
        """Raise `Invalid` when there was any fault."""
        if self._faults:
            raise Invalid(self._faults)

    def text(self, key: str, most: int) -> str | Missing:
        """Read a text of at most so many characters."""
        value = self._value(key)
        if isinstance(value, Missing):
            return value
        message = _text_fault(value, most)
        if message is not None:
            self.fault((key,), message)
            return MISSING
        assert isinstance(value, str)
        return value

    def name(self, key: str, most: int) -> str | Missing:
        """Read a text that is not blank."""
        value = self.text(key, most)
        if isinstance(value, str) and is_blank(value):
            blank = "is blank" if value else "must contain at least 1 character(s)"
            self.fault((key,), f"String {blank}")
            return MISSING
        return value

    def text_or_null(self, key: str, most: int) -> str | Missing | None:
        """Read a text or null."""
        if key in self._members and bytes(self._members[key]) == b"null":
            return None
        return self.text(key, most)

    def choice(self, key: str, options: Sequence[str]) -> str | Missing:
        """Read one of a few words."""
        value = self._value(key)
        if isinstance(value, Missing):
            return value
        if not isinstance(value, str):
            self.fault((key,), str(expected("string", value)))
        elif value not in options:
            shown = " | ".join(f"'{option}'" for option in options)
            message = f"Invalid enum value. Expected {shown}, received '{value[:100]}'"
            self.fault((key,), message)
        else:
            return value
        return MISSING

    def condition(
        self, key: str, dialect: str, words: rules.Words, caller: Caller, *, strict: bool
    ) -> Condition | Missing:
        """Read a condition in a dialect's words."""
        value = self._value(key)
        if isinstance(value, Missing):
            return value
        try:
            node = check(rules.read(value, words, strict=strict), caller.zone)
        except Invalid as invalid:
            self._faults.extend(Fault((key, *fault.path), fault.message) for fault in invalid.faults)
            return MISSING
        # A draft is shown as an empty group, whatever was left out of it.
        text = rules.write(node, words) if is_draft(node) else bodies.compact(self._members[key])
        return Condition(node, Source(dialect, text))

    def required(self, *keys: str) -> None:
        """Keep a fault for each member that is not there."""
        for key in keys:
            if key not in self._members:
                self.fault((key,), "Required")

    def _value(self, key: str) -> object:
        if key not in self._members:
            return MISSING
        try:
            return bodies.decode(self._members[key], (key,))
        except Invalid as invalid:
            self._faults.extend(invalid.faults)
            return MISSING


def _text_fault(value: object, most: int) -> str | None:
    if not isinstance(value, str):
        return str(expected("string", value))
    if len(value) > most:
        return f"String must contain at most {most} character(s)"
    return text_fault(value)
