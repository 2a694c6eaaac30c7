"""Reads contact bodies into values by canonical name; both dialects accept the casings of both vendors."""

from collections.abc import Mapping
from typing import Any, Final

from diglot.api.input import request_body
from diglot.conditions import tree
from diglot.conditions.fields import CANONICAL_NAMES
from diglot.conditions.operands import MAX_TEXT_LENGTH
from diglot.errors import Fault, InvalidInput, Path
from diglot.service.contacts.contact_input import WRITABLE_FIELDS, GivenValue

_WRITABLE_SPELLINGS: Final = {
    spelling: name for spelling, name in CANONICAL_NAMES.items() if name in WRITABLE_FIELDS
}
IMPORT_SPELLINGS: Final = _WRITABLE_SPELLINGS | {"created_at": "created_at", "createdAt": "created_at"}
_ATTRIBUTES_KEY: Final = "attributes"
# Each word takes three predicates, which stays below the limit of 250 in a condition.
MAX_SEARCH_WORDS: Final = 50


def decode_properties(
    members: request_body.RawObject, containers: tuple[str, ...], *more: str
) -> dict[str, Any]:
    """Return the known members of a contact body, decoded; unknown members are ignored."""
    known = {*_WRITABLE_SPELLINGS, *containers, *more}
    return {key: request_body.decode_value(raw, (key,)) for key, raw in members.items() if key in known}


def read_fields(
    body: Mapping[str, Any], containers: tuple[str, ...], path: Path = (), *, for_import: bool = False
) -> tuple[dict[str, GivenValue], GivenValue | None]:
    """Return the core fields and the attributes of a contact body.

    Raise `InvalidInput` if two spellings of one field differ.
    """
    spellings = (IMPORT_SPELLINGS if for_import else _WRITABLE_SPELLINGS) | dict.fromkeys(
        containers, _ATTRIBUTES_KEY
    )
    given: dict[str, GivenValue] = {}
    faults: list[Fault] = []
    for key, value in body.items():
        if (name := spellings.get(key)) is None:
            continue
        earlier = given.setdefault(name, GivenValue(value, (*path, key)))
        if not _are_equal(earlier.value, value):
            faults.append(Fault((*path, key), f"Differs from {earlier.path[-1]}"))
    if faults:
        raise InvalidInput(faults)
    attributes = given.pop(_ATTRIBUTES_KEY, None)
    return given, attributes


def _are_equal(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def build_search_condition(text: str) -> tree.Node | None:
    """Return the condition of a search: each word is part of the address or of a name.

    Raise `InvalidInput` if the search has too many words or a word is too long.
    """
    words = dict.fromkeys(text.split())
    if len(words) > MAX_SEARCH_WORDS:
        raise InvalidInput.at(("search",), f"A search has at most {MAX_SEARCH_WORDS} words")
    if any(len(word) > MAX_TEXT_LENGTH for word in words):
        raise InvalidInput.at(("search",), f"A word has at most {MAX_TEXT_LENGTH} characters")
    found = [
        tree.Any(
            tuple(
                tree.Predicate(name, tree.Op.CONTAINS, tree.Text(word))
                for name in ("email", "first_name", "last_name")
            )
        )
        for word in words
    ]
    return tree.All(tuple(found)) if found else None
