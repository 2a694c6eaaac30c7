"""Reads the members of a body one by one and keeps every fault, in the order they are asked for."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from msgspec import UNSET, UnsetType

from diglot.api import rules
from diglot.api.input import request_body
from diglot.conditions.check import MAX_FAULTS, check_condition
from diglot.conditions.operands import find_text_fault, wrong_type_error
from diglot.conditions.text import is_blank
from diglot.conditions.tree import is_draft
from diglot.errors import Fault, InvalidInput, Path
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller


class BodyReader:
    """The members of one body and the faults found so far.

    What is not in the body, or is at fault, is read as `UNSET`.
    """

    def __init__(self, members: request_body.RawObject) -> None:
        self._members = members
        self._faults: list[Fault] = []

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

    def read_text(self, key: str, most: int) -> str | UnsetType:
        """Read a text of at most so many characters."""
        value = self._decode_value(key)
        if value is UNSET:
            return value
        message = _text_fault(value, most)
        if message is not None:
            self.add_fault((key,), message)
            return UNSET
        assert isinstance(value, str)
        return value

    def read_name(self, key: str, most: int) -> str | UnsetType:
        """Read a text that is not blank."""
        value = self.read_text(key, most)
        if isinstance(value, str) and is_blank(value):
            blank = "is blank" if value else "must contain at least 1 character(s)"
            self.add_fault((key,), f"String {blank}")
            return UNSET
        return value

    def read_text_or_null(self, key: str, most: int) -> str | UnsetType | None:
        """Read a text or null."""
        if self.is_null(key):
            return None
        return self.read_text(key, most)

    def read_name_or_null(self, key: str, most: int) -> str | UnsetType | None:
        """Read a text that is not blank, or null."""
        if key in self._members and bytes(self._members[key]) == b"null":
            return None
        return self.read_name(key, most)

    def read_choice(self, key: str, options: Sequence[str]) -> str | UnsetType:
        """Read one of a few words."""
        value = self._decode_value(key)
        if value is UNSET:
            return value
        message = _choice_fault(value, options)
        if message is not None:
            self.add_fault((key,), message)
            return UNSET
        assert isinstance(value, str)
        return value

    def read_boolean(self, key: str) -> bool | UnsetType:
        """Read true or false."""
        value = self._decode_value(key)
        if isinstance(value, bool | UnsetType):
            return value
        self.add_fault((key,), str(wrong_type_error("boolean", value)))
        return UNSET

    def read_choices(self, key: str, options: Sequence[str]) -> tuple[str, ...] | UnsetType:
        """Read a list of one or more of a few words, each once."""
        value = self._decode_value(key)
        if value is UNSET:
            return value
        if not isinstance(value, list):
            self.add_fault((key,), str(wrong_type_error("array", value)))
        elif not value:
            self.add_fault((key,), "Array must contain at least 1 element(s)")
        else:
            told = ((index, _choice_fault(one, options)) for index, one in enumerate(value))
            wrong = (Fault((key, index), fault) for index, fault in told if fault is not None)
            # Each names all the words, so that thousands would be an answer of a hundred times the body.
            faults = list(islice(wrong, MAX_FAULTS))
            if not faults:
                return tuple(dict.fromkeys(value))
            self._faults.extend(faults)
        return UNSET

    def resolve_spelling(self, *spellings: str) -> str:
        """Return the spelling that the body uses, or the first; keep a fault where two differ."""
        used = [spelling for spelling in spellings if spelling in self._members] or [spellings[0]]
        for other in used[1:]:
            if self._decode_value(other) != self._decode_value(used[0]):
                self.add_fault((other,), f"Differs from {used[0]}")
        return used[0]

    def read_array(self, key: str, most: int) -> list[Any] | UnsetType:
        """Read an array of at most so many elements."""
        value = self._decode_value(key)
        if value is UNSET:
            return value
        if not isinstance(value, list):
            self.add_fault((key,), str(wrong_type_error("array", value)))
        elif len(value) > most:
            self.add_fault((key,), f"Array must contain at most {most} element(s)")
        else:
            return value
        return UNSET

    def read_condition(
        self, key: str, dialect: str, words: rules.Words, caller: Caller, *, strict: bool
    ) -> Condition | UnsetType:
        """Read a condition in a dialect's words."""
        value = self._decode_value(key)
        if value is UNSET:
            return value
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
        if key not in self._members:
            return UNSET
        try:
            return request_body.decode_value(self._members[key], (key,))
        except InvalidInput as invalid:
            self._faults.extend(invalid.faults)
            return UNSET


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
