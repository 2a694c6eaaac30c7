"""Predicates on custom attributes, over the token documents of `tokens` (semantics 11)."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, case, func, literal_column, or_

from diglot.conditions import text, tree
from diglot.conditions.fields import attribute_key
from diglot.conditions.tree import Op
from diglot.storage.predicates import token_documents
from diglot.storage.predicates.binder import NOBODY, STRING, Binder, compare, days, scalars
from diglot.storage.predicates.token_documents import BIG, CLOSE, ELEMENT, OPEN, PLAIN, SCALAR, SET, escape
from diglot.storage.schema import contacts
from diglot.storage.sql.backend import ONE, Expression

_PLAIN_LENGTH: Final = 17
_BIG_LENGTH: Final = 33

EXACT: Final = contacts.c.attributes_exact
FOLD: Final = contacts.c.attributes_fold
NUMBER: Final = contacts.c.attributes_number
INSTANT: Final = contacts.c.attributes_instant


def attribute(predicate: tree.Predicate, binder: Binder) -> Expression:
    """Return the predicate on a custom attribute; it is never NULL."""
    key = attribute_key(predicate.field)
    assert key is not None
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return binder.has(EXACT, f"{SET}{OPEN}{key}{CLOSE}")
    if isinstance(operand, tree.Days):
        value = _digits(INSTANT, key, 1, binder)
        return and_(_present(INSTANT, key, binder), days(op, operand.value, value, binder, _instant))
    if op is Op.IN:
        return _in(key, scalars(operand), binder)
    (scalar,) = scalars(operand)
    if op is Op.EQUALS:
        return _equals(key, scalar, binder)
    if op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
        return _part(key, op, scalar, binder)
    return _ordered(key, op, scalar, binder)


def instant_of(key: str, binder: Binder) -> tuple[Expression, Expression]:
    """Return whether a custom attribute holds an instant, and the digits of it (see `integer_of`)."""
    return _present(INSTANT, key, binder), _digits(INSTANT, key, 1, binder)


def _mark(key: str) -> str:
    return f"{SCALAR}{OPEN}{key}{CLOSE}"


def _present(document: Expression, key: str, binder: Binder) -> Expression:
    return binder.has(document, _mark(key))


def _rest(document: Expression, key: str, binder: Binder) -> Expression:
    mark = _mark(key)
    return binder.backend.rest_after(document, binder.text(mark), binder.length(mark))


def _scalar(document: Expression, key: str, binder: Binder) -> Expression:
    return binder.backend.until_close(_rest(document, key, binder))


def _digits(document: Expression, key: str, first: int, binder: Binder) -> Expression:
    """Return 16 digits of the key's value from the given place."""
    rest = _rest(document, key, binder)
    return func.substr(rest, literal_column(str(first)), literal_column("16"))


def _instant(value: int, binder: Binder) -> Expression:
    return binder.text(token_documents.integer_key(value))


def _spelled(scalar: tree.Scalar) -> str:
    assert isinstance(scalar, tree.Text | tree.Boolean)
    return escape(text.spelling(scalar.value))


def _number_forms(number: float) -> list[str]:
    """Return what the document holds, up to its end or the end of its double, for an equal number."""
    double = token_documents.double_key(float(number))
    if token_documents.is_big(number):
        return [f"{PLAIN}{double}", token_documents.number_value(number)]
    big = [f"{BIG}{double}"] if abs(number) >= token_documents.BIG_FROM else []
    return [f"{PLAIN}{double}", *big]


def _equals(key: str, scalar: tree.Scalar, binder: Binder) -> Expression:
    mark = f"{OPEN}{key}{CLOSE}"
    if isinstance(scalar, tree.Number):
        return or_(*(binder.has(NUMBER, mark + form) for form in _number_forms(scalar.value)))
    return binder.has(EXACT, f"{mark}{_spelled(scalar)}{CLOSE}")


def _part(key: str, op: Op, scalar: tree.Scalar, binder: Binder) -> Expression:
    if op is Op.CONTAINS:
        return _contains(key, scalar, binder)
    assert isinstance(scalar, tree.Text)
    part = escape(text.fold(scalar.value))
    if op is Op.STARTS_WITH:
        return binder.has(FOLD, f"{OPEN}{key}{CLOSE}{part}")
    return binder.has(FOLD, f"{part}{CLOSE}{key}{OPEN}")


def _contains(key: str, scalar: tree.Scalar, binder: Binder) -> Expression:
    element = f"{ELEMENT}{OPEN}{key}{CLOSE}"
    if isinstance(scalar, tree.Number):
        return or_(*(binder.has(NUMBER, element + form) for form in _number_forms(scalar.value)))
    in_list = binder.has(EXACT, f"{element}{_spelled(scalar)}{CLOSE}")
    if isinstance(scalar, tree.Boolean):
        return in_list
    part = escape(text.fold(_as_text(scalar)))
    # The first search is a cheap necessary condition; most contacts end there.
    within = and_(
        binder.has(FOLD, part),
        _present(FOLD, key, binder),
        binder.has(_scalar(FOLD, key, binder), part),
    )
    return or_(within, in_list)


def _as_text(scalar: tree.Scalar) -> str:
    assert isinstance(scalar, tree.Text)
    return scalar.value


def _in(key: str, values: Sequence[tree.Scalar], binder: Binder) -> Expression:
    texts = [_spelled(value) for value in values if isinstance(value, tree.Text | tree.Boolean)]
    numbers = [value.value for value in values if isinstance(value, tree.Number)]
    forms = [form for number in numbers for form in _number_forms(number)]
    doubles = [form for form in forms if len(form) == _PLAIN_LENGTH]
    wholes = [form for form in forms if len(form) == _BIG_LENGTH]
    found: list[Expression] = []
    if texts:
        binder.shape.append("texts")
        value = _scalar(EXACT, key, binder)
        closed = [form + CLOSE for form in texts]
        found.append(_any(EXACT, key, _one_of(value, texts, binder), closed, binder))
    if doubles:
        binder.shape.append("numbers")
        value = func.substr(_rest(NUMBER, key, binder), ONE, literal_column(str(_PLAIN_LENGTH)))
        found.append(_any(NUMBER, key, _one_of(value, doubles, binder), doubles, binder))
    if wholes:
        binder.shape.append("big numbers")
        value = _scalar(NUMBER, key, binder)
        found.append(_any(NUMBER, key, _one_of(value, wholes, binder), wholes, binder))
    return or_(*found) if found else NOBODY


def _one_of(value: Expression, forms: list[str], binder: Binder) -> Expression:
    return binder.backend.is_any(value, forms, STRING, binder.bind)


def _any(document: Expression, key: str, scalar: Expression, forms: list[str], binder: Binder) -> Expression:
    """Tell whether the key's scalar is one of the forms, or an element of its array begins with one."""
    mark = f"{ELEMENT}{OPEN}{key}{CLOSE}"
    element = binder.backend.has_any(document, [mark + form for form in forms], binder.bind)
    return or_(
        and_(_present(document, key, binder), scalar),
        and_(binder.has(document, mark), element),
    )


def _ordered(key: str, op: Op, scalar: tree.Scalar, binder: Binder) -> Expression:
    if isinstance(scalar, tree.Number):
        return _ordered_number(key, op, scalar.value, binder)
    value = _digits(INSTANT, key, 1, binder)
    instant = _instant(binder.instant(scalar), binder)
    return and_(_present(INSTANT, key, binder), compare(op, value, instant))


def _ordered_number(key: str, op: Op, number: float, binder: Binder) -> Expression:
    digits = _digits(NUMBER, key, 2, binder)
    compared = compare(op, digits, binder.text(token_documents.double_key(float(number))))
    if token_documents.is_big(number):
        # Two integers compare exactly, even where their doubles are equal.
        binder.shape.append("big")
        value = _scalar(NUMBER, key, binder)
        whole = compare(op, value, binder.text(token_documents.number_value(number)))
        compared = case((binder.has(NUMBER, f"{_mark(key)}{BIG}"), whole), else_=compared)
    return and_(_present(NUMBER, key, binder), compared)
