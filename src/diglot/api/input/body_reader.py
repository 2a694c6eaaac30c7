"""Reads the members of a body one by one and keeps every fault, in the order they are asked for."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from diglot.api import rules
from diglot.api.input import request_body
from diglot.conditions.check import MAX_FAULTS, check_condition
from diglot.conditions.operands import find_text_fault, wrong_type_error
from diglot.conditions.text import is_blank
from diglot.conditions.tree import is_draft
from diglot.errors import Fault, Invalid, Path
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller


class Missing:
    """The type of `MISSING`: a member that is not in the body, or is at fault."""


MISSING: Final = Missing()


class Reader:
    """The members of one body and the faults found so far."""

    def __init__(self, members: request_body.Members) -> None:
        self._members = members
        self._faults: list[Fault] = []

    def fault(self, path: Path, message: str) -> None:
        """Keep a fault."""
        self._faults.append(Fault(path, message))

    def has(self, key: str) -> bool:
        """Tell whether the body has a member."""
        return key in self._members

    def is_null(self, key: str) -> bool:
        """Tell whether the body has a member that is null."""
        return key in self._members and bytes(self._members[key]) == b"null"

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
        if self.is_null(key):
            return None
        return self.text(key, most)

    def name_or_null(self, key: str, most: int) -> str | Missing | None:
        """Read a text that is not blank, or null."""
        if key in self._members and bytes(self._members[key]) == b"null":
            return None
        return self.name(key, most)

    def choice(self, key: str, options: Sequence[str]) -> str | Missing:
        """Read one of a few words."""
        value = self._value(key)
        if isinstance(value, Missing):
            return value
        message = _choice_fault(value, options)
        if message is not None:
            self.fault((key,), message)
            return MISSING
        assert isinstance(value, str)
        return value

    def boolean(self, key: str) -> bool | Missing:
        """Read true or false."""
        value = self._value(key)
        if isinstance(value, bool | Missing):
            return value
        self.fault((key,), str(wrong_type_error("boolean", value)))
        return MISSING

    def choices(self, key: str, options: Sequence[str]) -> tuple[str, ...] | Missing:
        """Read a list of one or more of a few words, each once."""
        value = self._value(key)
        if isinstance(value, Missing):
            return value
        if not isinstance(value, list):
            self.fault((key,), str(wrong_type_error("array", value)))
        elif not value:
            self.fault((key,), "Array must contain at least 1 element(s)")
        else:
            told = ((index, _choice_fault(one, options)) for index, one in enumerate(value))
            wrong = (Fault((key, index), fault) for index, fault in told if fault is not None)
            # Each names all the words, so that thousands would be an answer of a hundred times the body.
            faults = list(islice(wrong, MAX_FAULTS))
            if not faults:
                return tuple(dict.fromkeys(value))
            self._faults.extend(faults)
        return MISSING

    def spelled(self, *spellings: str) -> str:
        """Return the spelling that the body uses, or the first; keep a fault where two differ."""
        used = [spelling for spelling in spellings if spelling in self._members] or [spellings[0]]
        for other in used[1:]:
            if self._value(other) != self._value(used[0]):
                self.fault((other,), f"Differs from {used[0]}")
        return used[0]

    def array(self, key: str, most: int) -> list[Any] | Missing:
        """Read an array of at most so many elements."""
        value = self._value(key)
        if isinstance(value, Missing):
            return value
        if not isinstance(value, list):
            self.fault((key,), str(wrong_type_error("array", value)))
        elif len(value) > most:
            self.fault((key,), f"Array must contain at most {most} element(s)")
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
            node = check_condition(rules.read(value, words, strict=strict), caller.zone)
        except Invalid as invalid:
            self._faults.extend(Fault((key, *fault.path), fault.message) for fault in invalid.faults)
            return MISSING
        # A draft is shown as an empty group, whatever was left out of it; a synonym is not shown.
        respelled = is_draft(node) or words.synonyms
        text = rules.write(node, words) if respelled else request_body.compact(self._members[key])
        return Condition(node, OriginalText(dialect, text))

    def required(self, *keys: str) -> None:
        """Keep a fault for each member that is not there."""
        for key in keys:
            if key not in self._members:
                self.fault((key,), "Required")

    def _value(self, key: str) -> object:
        if key not in self._members:
            return MISSING
        try:
            return request_body.decode(self._members[key], (key,))
        except Invalid as invalid:
            self._faults.extend(invalid.faults)
            return MISSING


def _text_fault(value: object, most: int) -> str | None:
    if not isinstance(value, str):
        return str(wrong_type_error("string", value))
    if len(value) > most:
        return f"String must contain at most {most} character(s)"
    return find_text_fault(value)


def _choice_fault(value: object, options: Sequence[str]) -> str | None:
    if not isinstance(value, str):
        return str(wrong_type_error("string", value))
    if value in options:
        return None
    shown = " | ".join(f"'{option}'" for option in options)
    return f"Invalid enum value. Expected {shown}, received '{value[:100]}'"
