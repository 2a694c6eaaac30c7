"""Contact bodies -> given values under canonical names. Both vendors' casings are read in both dialects."""

from collections.abc import Mapping
from typing import Any, Final

from diglot.api.input import request_body
from diglot.conditions import tree
from diglot.conditions.fields import CANONICAL_NAMES
from diglot.conditions.operands import MAX_TEXT_LENGTH
from diglot.errors import Fault, Invalid, Path
from diglot.service.contacts.contact_input import WRITABLE_FIELDS, GivenValue

_WRITABLE: Final = {spelling: name for spelling, name in CANONICAL_NAMES.items() if name in WRITABLE_FIELDS}
IMPORTED: Final = _WRITABLE | {"created_at": "created_at", "createdAt": "created_at"}
_ATTRIBUTES: Final = "attributes"
# Three predicates each, below the 250 of a condition.
MOST_WORDS: Final = 50


def decoded(members: request_body.Members, containers: tuple[str, ...], *more: str) -> dict[str, Any]:
    """Return the members that a contact body may have, decoded; the others are ignored."""
    known = {*_WRITABLE, *containers, *more}
    return {key: request_body.decode(raw, (key,)) for key, raw in members.items() if key in known}


def read(
    body: Mapping[str, Any], containers: tuple[str, ...], path: Path = (), *, imported: bool = False
) -> tuple[dict[str, GivenValue], GivenValue | None]:
    """Return the catalogued fields and the attributes of a contact body.

    Raise `Invalid` when two spellings of one field differ.
    """
    spellings = (IMPORTED if imported else _WRITABLE) | dict.fromkeys(containers, _ATTRIBUTES)
    given: dict[str, GivenValue] = {}
    faults: list[Fault] = []
    for key, value in body.items():
        if (name := spellings.get(key)) is None:
            continue
        earlier = given.setdefault(name, GivenValue(value, (*path, key)))
        if not _same(earlier.value, value):
            faults.append(Fault((*path, key), f"Differs from {earlier.path[-1]}"))
    if faults:
        raise Invalid(faults)
    attributes = given.pop(_ATTRIBUTES, None)
    return given, attributes


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def search(text: str) -> tree.Node | None:
    """Return the condition of a search: each word is part of the address or of a name.

    Raise `Invalid` for one that is longer than a condition may be.
    """
    words = dict.fromkeys(text.split())
    if len(words) > MOST_WORDS:
        raise Invalid.at(("search",), f"A search has at most {MOST_WORDS} words")
    if any(len(word) > MAX_TEXT_LENGTH for word in words):
        raise Invalid.at(("search",), f"A word has at most {MAX_TEXT_LENGTH} characters")
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
