"""Reads pasted JSON as rules: those of either vendor, alone or in the body of a call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from diglot.api.input.request_body import decode_value, parse_object
from diglot.api.rules.reading import read_condition
from diglot.api.rules.words import FIELD, RULES
from diglot.conditions import tree
from diglot.conditions.check import check_condition
from diglot.dialects.registry import DIALECTS
from diglot.errors import Fault, InvalidInput, Path

_UNKNOWN_WORD: Final = "Invalid enum value"


@dataclass(frozen=True, slots=True)
class Pasted:
    """Rules that were pasted: the dialect in whose words they are, and the condition."""

    dialect: str
    title: str
    node: tree.Node


def read_pasted(text: str, wanted: str, *, strict: bool) -> Pasted:
    """Return the rules in a text; `wanted` is the name of a dialect, empty to detect it.

    Raise `InvalidInput` with the paths of the faults in the text.
    """
    value = decode_value(msgspec.json.encode(parse_object(text.encode(), unique_keys=True)), ())
    value, path = _unwrap(value)
    chosen = [one for one in DIALECTS if one.name == wanted] or [
        one for one in DIALECTS if one.words.group_key in value
    ]
    found: list[Pasted] = []
    refused: list[Sequence[Fault]] = []
    for dialect in chosen or DIALECTS:
        try:
            node = check_condition(read_condition(value, dialect.words, strict=strict))
        except InvalidInput as invalid:
            refused.append(invalid.faults)
        else:
            found.append(Pasted(dialect.name, dialect.title, node))
    if not found:
        faults = min(refused, key=len)
        raise InvalidInput(Fault((*path, *fault.path), fault.message) for fault in faults)
    if tree.is_draft(found[0].node) and RULES not in value:
        raise InvalidInput.at(path, "There are no rules in this text")
    return found[0]


def _unwrap(value: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """Return the group in a body of a call, with its path; a rule alone is put in a group."""
    if RULES in value:
        return value, ()
    if FIELD in value:
        return {RULES: [value]}, ()
    for key, part in value.items():
        if isinstance(part, dict) and RULES in part:
            return part, (key,)
    return value, ()


def say_faults(invalid: InvalidInput) -> list[str]:
    """Return the faults with their paths, as a person reads them."""
    return [
        f"{'.'.join(map(str, fault.path))}: {_shorten(fault.message)}" if fault.path else fault.message
        for fault in invalid.faults
    ]


def _shorten(message: str) -> str:
    """Return a message without the list of all words, of which a page has no room."""
    if not message.startswith(_UNKNOWN_WORD):
        return message
    return f"This API has no word {message.rpartition('received ')[2]} here"
