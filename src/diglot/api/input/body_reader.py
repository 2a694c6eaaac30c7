"""Reads a body according to the struct that documents it, and records all faults in reading order."""

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.input import request_body
from diglot.api.input.member_reader import MemberReader
from diglot.api.input.struct_plans import Plans, plan_struct
from diglot.api.input.value_readers import Given
from diglot.api.rules.reading import read_condition
from diglot.api.rules.words import Words
from diglot.api.rules.writing import write_condition
from diglot.conditions.analysis.segment_references import find_reference_paths
from diglot.conditions.check import check_condition
from diglot.conditions.computed.needed_history import iterate_needs
from diglot.conditions.tree import is_draft
from diglot.errors import Fault, InvalidInput
from diglot.model.segments import Condition, OriginalText


class BodyReader(MemberReader):
    """The members of one body and the faults found so far; unknown members are ignored.

    `omit_nulls` treats a null member as one that was not sent.
    """

    def __init__(
        self,
        members: request_body.RawObject,
        faults: list[Fault] | None = None,
        *,
        omit_nulls: bool = False,
    ) -> None:
        if omit_nulls:
            members = {key: raw for key, raw in members.items() if bytes(raw) != b"null"}
        super().__init__(members, faults)

    def _plan_struct(self, struct: type[msgspec.Struct]) -> Plans:
        return plan_struct(struct)

    def _take(self, key: str) -> Given:
        raw = self._members[key]
        return Given(request_body.decode_value(raw, (key,)), (key,), raw)

    def is_null(self, key: str) -> bool:
        """Tell whether the body has a member that is null."""
        return key in self._members and bytes(self._members[key]) == b"null"

    def json_of(self, name: str) -> msgspec.Raw | None:
        """Return the JSON of a field as sent, without white space, or None if it was not sent."""
        raw = self._members.get(self.key_of(name))
        return None if raw is None else msgspec.Raw(request_body.compact_json(raw).encode())

    def read_condition(self, key: str, dialect: str, words: Words, *, strict: bool) -> Condition | UnsetType:
        """Read a condition in the words of a dialect."""
        value = self._decode_value(key) if key in self._members else UNSET
        if value is UNSET:
            return UNSET
        try:
            unchecked = read_condition(value, words, strict=strict)
            node = check_condition(unchecked)
        except InvalidInput as invalid:
            self._faults.extend(Fault((key, *fault.path), fault.message) for fault in invalid.faults)
            return UNSET
        # Responses show a draft as a complete empty group, and never show synonyms.
        respelled = is_draft(node) or words.synonyms
        text = write_condition(node, words) if respelled else request_body.compact_json(self._members[key])
        named = tuple(find_reference_paths(unchecked, (key,)))
        needs = tuple(iterate_needs(node, (key,)))
        return Condition(node, OriginalText(dialect, text), references=named, event_needs=needs)
