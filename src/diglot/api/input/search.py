"""The search of a list of contacts."""

from typing import Final

from diglot.api.annotations import checked_by
from diglot.conditions import tree
from diglot.conditions.operands import MAX_TEXT_LENGTH

# Each word takes three predicates, which stays below the limit of 250 in a condition.
MAX_SEARCH_WORDS: Final = 50


def _list_words(text: str) -> list[str]:
    return list(dict.fromkeys(text.split()))


def _find_search_fault(text: str) -> str | None:
    words = _list_words(text)
    if len(words) > MAX_SEARCH_WORDS:
        return f"A search has at most {MAX_SEARCH_WORDS} words"
    if any(len(word) > MAX_TEXT_LENGTH for word in words):
        return f"A word has at most {MAX_TEXT_LENGTH} characters"
    return None


SEARCH_CHECK: Final = checked_by(_find_search_fault)


def build_search_condition(text: str) -> tree.Node | None:
    """Return the condition of a valid search: each word is part of the address or of a name."""
    found = [
        tree.Any(
            tuple(
                tree.Predicate(name, tree.Op.CONTAINS, tree.Text(word))
                for name in ("email", "first_name", "last_name")
            )
        )
        for word in _list_words(text)
    ]
    return tree.All(tuple(found)) if found else None
