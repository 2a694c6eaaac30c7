"""Render the operators of both dialects, the kinds of fields that take them, and the fields."""

from typing import Final

from diglot.api.rules.words import Words
from diglot.conditions.fields import CATALOGUE, STATUS_ALIASES, STATUSES, Field, FieldKind
from diglot.conditions.operands import OPS_BY_KIND
from diglot.conditions.tree import OPERATOR_WORDS
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from render.markdown import code, table
from support.spec_data import OPERATORS, read

_KINDS: Final = tuple(kind for kind in FieldKind if kind is not FieldKind.ATTRIBUTE)


def operators() -> str:
    """Return every operator in the words of both dialects, with its truth table."""
    rows = ((_word(MISAR, name), _word(TOPMAIL, name), _truth(name)) for name in OPERATOR_WORDS)
    return table(("Misar", "Topmail", "truth table"), rows)


def _word(words: Words, name: str) -> str:
    return (
        code(words.own_operators[name])
        if name in words.own_operators
        else f"({code(words.borrowed_operators[name])})"
    )


def _truth(name: str) -> str:
    return f"[{len(read(OPERATORS / f'{name}.json')['rows'])} rows](truth/{name}.md)"


def kinds() -> str:
    """Return the operators that each kind of field takes."""
    head = ("operator", *(kind.value for kind in _KINDS), "custom attribute")
    rows = (
        (code(name), *("yes" if op in OPS_BY_KIND[kind] else "" for kind in (*_KINDS, FieldKind.ATTRIBUTE)))
        for name, (op, _) in OPERATOR_WORDS.items()
    )
    return table(head, rows)


def fields() -> str:
    """Return the table of fields."""
    rows = (
        (code(field.name), ", ".join(map(code, field.aliases)), field.kind.value, _limit(field))
        for field in CATALOGUE
    )
    return table(("field", "also written", "kind", "values"), rows)


def _limit(field: Field) -> str:
    if field.max_length:
        return f"at most {field.max_length} characters"
    if field.kind is FieldKind.CHOICE:
        also = ", ".join(f"{code(alias)} is read as {code(meant)}" for alias, meant in STATUS_ALIASES.items())
        return f"{', '.join(map(code, STATUSES))}; {also}"
    if field.kind is FieldKind.NUMBER:
        most = "2^53 - 1" if field.max_value > 1_000 else f"{field.max_value:g}"
        return f"{'whole, ' if field.is_integer else ''}0 to {most}"
    return ""
