"""Predicates on custom attributes, as searches in the token documents of a contact (semantics 11)."""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import and_, case, func, or_

from diglot.conditions import text, tree
from diglot.conditions.fields import attribute_key
from diglot.conditions.tree import Op, scalars_of
from diglot.storage.predicates import token_documents
from diglot.storage.predicates.binder import (
    MATCHES_NONE,
    SHORT_LIST,
    STRING,
    Binder,
    compare,
    compare_with_now,
)
from diglot.storage.predicates.token_documents import (
    BIG_NUMBER,
    ELEMENT,
    OPEN,
    PLAIN_NUMBER,
    SCALAR,
    SET,
    escape_marks,
)
from diglot.storage.schema import contacts
from diglot.storage.sql.backend import CLOSE, Expression

_PLAIN_LENGTH: Final = 17
_BIG_LENGTH: Final = 33

EXACT_DOCUMENT: Final = contacts.c.attributes_exact
FOLDED_DOCUMENT: Final = contacts.c.attributes_fold
NUMBER_DOCUMENT: Final = contacts.c.attributes_number
INSTANT_DOCUMENT: Final = contacts.c.attributes_instant


def compile_attribute(predicate: tree.Predicate, binder: Binder) -> Expression:
    """Return the predicate on a custom attribute; it is never NULL."""
    key = attribute_key(predicate.field)
    assert key is not None
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return binder.contains_part(EXACT_DOCUMENT, f"{SET}{OPEN}{key}{CLOSE}")
    if isinstance(operand, tree.Duration):
        value = _scalar_digits(INSTANT_DOCUMENT, key, 1, binder)
        return and_(
            _has_scalar(INSTANT_DOCUMENT, key, binder),
            compare_with_now(op, operand, value, binder, _bind_instant),
        )
    if op is Op.IN:
        return _compile_in(key, scalars_of(operand), binder)
    (scalar,) = scalars_of(operand)
    if op is Op.EQUALS:
        return _compile_equals(key, scalar, binder)
    if op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
        return _compile_substring(key, op, scalar, binder)
    return _compile_ordered(key, op, scalar, binder)


def compile_attribute_instant(key: str, binder: Binder) -> tuple[Expression, Expression]:
    """Return whether a custom attribute holds an instant, and its digits (see `decode_integer`)."""
    return _has_scalar(INSTANT_DOCUMENT, key, binder), _scalar_digits(INSTANT_DOCUMENT, key, 1, binder)


def _scalar_mark(key: str) -> str:
    return f"{SCALAR}{OPEN}{key}{CLOSE}"


def _element_mark(key: str) -> str:
    return f"{ELEMENT}{OPEN}{key}{CLOSE}"


def _has_scalar(document: Expression, key: str, binder: Binder) -> Expression:
    return binder.contains_part(document, _scalar_mark(key))


def _after_scalar_mark(document: Expression, key: str, binder: Binder) -> Expression:
    mark = _scalar_mark(key)
    return binder.backend.after_mark(document, binder.bind_text(mark), binder.bind_length(mark))


def _scalar_value(document: Expression, key: str, binder: Binder) -> Expression:
    return binder.backend.up_to_mark(_after_scalar_mark(document, key, binder))


def _scalar_digits(document: Expression, key: str, first: int, binder: Binder) -> Expression:
    """Return 16 characters of the key's value, beginning at position `first`, which counts from 1."""
    return _slice_after_scalar_mark(document, key, first, 16, binder)


def _slice_after_scalar_mark(
    document: Expression, key: str, first: int, count: int, binder: Binder
) -> Expression:
    mark = _scalar_mark(key)
    return binder.backend.slice_after_mark(
        document, binder.bind_text(mark), binder.bind_length(mark), first, count
    )


def _bind_instant(value: int, binder: Binder) -> Expression:
    return binder.bind_text(token_documents.encode_integer(value))


def _escaped_text(scalar: tree.Scalar) -> str:
    assert isinstance(scalar, tree.Text | tree.Boolean)
    return escape_marks(text.scalar_to_text(scalar.value))


def _number_forms(number: float) -> list[str]:
    """Return the token values that an equal number can have, up to the end of its double or of its value."""
    double = token_documents.encode_double(float(number))
    if token_documents.is_big_integer(number):
        return [f"{PLAIN_NUMBER}{double}", token_documents.encode_number(number)]
    big = [f"{BIG_NUMBER}{double}"] if abs(number) >= token_documents.BIG_INTEGER_FROM else []
    return [f"{PLAIN_NUMBER}{double}", *big]


def _compile_equals(key: str, scalar: tree.Scalar, binder: Binder) -> Expression:
    mark = f"{OPEN}{key}{CLOSE}"
    if isinstance(scalar, tree.Number):
        return or_(
            *(binder.contains_part(NUMBER_DOCUMENT, mark + form) for form in _number_forms(scalar.value))
        )
    return binder.contains_part(EXACT_DOCUMENT, f"{mark}{_escaped_text(scalar)}{CLOSE}")


def _compile_substring(key: str, op: Op, scalar: tree.Scalar, binder: Binder) -> Expression:
    if op is Op.CONTAINS:
        return _compile_contains(key, scalar, binder)
    assert isinstance(scalar, tree.Text)
    part = escape_marks(text.fold_case(scalar.value))
    if op is Op.STARTS_WITH:
        return binder.contains_part(FOLDED_DOCUMENT, f"{OPEN}{key}{CLOSE}{part}")
    assert op is Op.ENDS_WITH
    return binder.contains_part(FOLDED_DOCUMENT, f"{part}{CLOSE}{key}{OPEN}")


def _compile_contains(key: str, scalar: tree.Scalar, binder: Binder) -> Expression:
    element = _element_mark(key)
    if isinstance(scalar, tree.Number):
        return or_(
            *(binder.contains_part(NUMBER_DOCUMENT, element + form) for form in _number_forms(scalar.value))
        )
    in_list = binder.contains_part(EXACT_DOCUMENT, f"{element}{_escaped_text(scalar)}{CLOSE}")
    if isinstance(scalar, tree.Boolean):
        return in_list
    part = escape_marks(text.fold_case(_require_text(scalar)))
    # The first search is cheap and rejects most contacts, because the part must occur in some value.
    within = and_(
        binder.contains_part(FOLDED_DOCUMENT, part),
        _has_scalar(FOLDED_DOCUMENT, key, binder),
        binder.contains_part(_scalar_value(FOLDED_DOCUMENT, key, binder), part),
    )
    return or_(within, in_list)


def _require_text(scalar: tree.Scalar) -> str:
    assert isinstance(scalar, tree.Text)
    return scalar.value


def _compile_in(key: str, values: Sequence[tree.Scalar], binder: Binder) -> Expression:
    if len(values) > SHORT_LIST:
        return _compile_in_list(key, values, binder)
    binder.shape.append(f"{len(values)} values")
    return or_(*(_compile_one_of_few(key, value, binder) for value in values)) if values else MATCHES_NONE


def _compile_one_of_few(key: str, value: tree.Scalar, binder: Binder) -> Expression:
    binder.shape.append("number" if isinstance(value, tree.Number) else "text")
    return _compile_equals(key, value, binder)


def _compile_in_list(key: str, values: Sequence[tree.Scalar], binder: Binder) -> Expression:
    """Cut the key's value out of the document and look it up among the values, which are one parameter."""
    texts = [_escaped_text(value) for value in values if isinstance(value, tree.Text | tree.Boolean)]
    numbers = [value.value for value in values if isinstance(value, tree.Number)]
    forms = [form for number in numbers for form in _number_forms(number)]
    doubles = [form for form in forms if len(form) == _PLAIN_LENGTH]
    bigs = [form for form in forms if len(form) == _BIG_LENGTH]
    clauses: list[Expression] = []
    if texts:
        binder.shape.append("texts")
        value = _scalar_value(EXACT_DOCUMENT, key, binder)
        clauses += [_scalar_one_of(EXACT_DOCUMENT, key, value, texts, binder)]
        clauses += [_element_one_of(EXACT_DOCUMENT, key, texts, binder)]
    if doubles:
        binder.shape.append("numbers")
        value = _slice_after_scalar_mark(NUMBER_DOCUMENT, key, 1, _PLAIN_LENGTH, binder)
        clauses += [_scalar_one_of(NUMBER_DOCUMENT, key, value, doubles, binder)]
    if bigs:
        binder.shape.append("big numbers")
        value = _scalar_value(NUMBER_DOCUMENT, key, binder)
        clauses += [_scalar_one_of(NUMBER_DOCUMENT, key, value, bigs, binder)]
    if forms:
        clauses += _number_elements(key, forms, binder)
    return or_(*clauses)


def _number_elements(key: str, forms: list[str], binder: Binder) -> Iterator[Expression]:
    """Yield whether a number in the key's array is, or begins with, one of the forms."""
    beginnings = [form for form in forms if form[0] == BIG_NUMBER and len(form) == _PLAIN_LENGTH]
    values = [form for form in forms if form[0] == PLAIN_NUMBER or len(form) == _BIG_LENGTH]
    # Each number has a whole value among its forms.
    yield _element_one_of(NUMBER_DOCUMENT, key, values, binder)
    if beginnings:
        binder.shape.append("beginnings")
        mark = _element_mark(key)
        begins = binder.backend.contains_any(
            NUMBER_DOCUMENT, [mark + form for form in beginnings], binder.bind
        )
        yield and_(binder.contains_part(NUMBER_DOCUMENT, mark), begins)


def _scalar_one_of(
    document: Expression, key: str, value: Expression, forms: list[str], binder: Binder
) -> Expression:
    is_one = binder.backend.one_of(value, forms, STRING, binder.bind)
    return and_(_has_scalar(document, key, binder), is_one)


def _element_one_of(document: Expression, key: str, forms: list[str], binder: Binder) -> Expression:
    """Return whether an element of the key's array is one of the forms.

    The elements' tokens follow each other. So the document is divided, from the first of them, at what ends
    a token of the key: each part is then the beginning of a token and its value.
    """
    mark = _element_mark(key)
    has_element = binder.contains_part(document, mark)
    elements = func.substr(document, binder.backend.position(document, binder.bind_text(mark)))
    is_one = binder.backend.any_part_one_of(
        elements, f"{CLOSE}{key}{OPEN}", [mark + form for form in forms], binder.bind
    )
    return and_(has_element, is_one)


def _compile_ordered(key: str, op: Op, scalar: tree.Scalar, binder: Binder) -> Expression:
    if isinstance(scalar, tree.Number):
        return _compile_ordered_number(key, op, scalar.value, binder)
    value = _scalar_digits(INSTANT_DOCUMENT, key, 1, binder)
    instant = _bind_instant(binder.to_instant(scalar), binder)
    return and_(_has_scalar(INSTANT_DOCUMENT, key, binder), compare(op, value, instant))


def _compile_ordered_number(key: str, op: Op, number: float, binder: Binder) -> Expression:
    digits = _scalar_digits(NUMBER_DOCUMENT, key, 2, binder)
    compared = compare(op, digits, binder.bind_text(token_documents.encode_double(float(number))))
    if token_documents.is_big_integer(number):
        # Two integers are compared exactly even if their doubles are equal.
        binder.shape.append("big")
        value = _scalar_value(NUMBER_DOCUMENT, key, binder)
        whole = compare(op, value, binder.bind_text(token_documents.encode_number(number)))
        compared = case(
            (binder.contains_part(NUMBER_DOCUMENT, f"{_scalar_mark(key)}{BIG_NUMBER}"), whole), else_=compared
        )
    return and_(_has_scalar(NUMBER_DOCUMENT, key, binder), compared)
