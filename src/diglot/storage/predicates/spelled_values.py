"""What kind of value an event's property is, by how it is spelled in JSON."""

from typing import Final

from sqlalchemy import and_, func, literal_column, or_

from diglot.storage.predicates.binder import Binder
from diglot.storage.sql.backend import ONE, ZERO, Expression

# A decimal of so many characters is a double that is spelled so, and no integer that a double cannot hold.
_LONGEST_NUMBER: Final[Expression] = literal_column("15")
# No collation has anything else that a JSON value begins with between the digits.
_FIRST_DIGIT: Final[Expression] = literal_column("'0'")
_LAST_DIGIT: Final[Expression] = literal_column("'9'")


def begin_of(spelled: Expression) -> Expression:
    """Return the first character."""
    return func.substr(spelled, ONE, ONE)


def is_text(spelled: Expression) -> Expression:
    """Return whether a value is a text."""
    return begin_of(spelled) == literal_column("'\"'")


def is_number(spelled: Expression) -> Expression:
    """Return whether a value is a number."""
    begin = begin_of(spelled)
    return or_(begin.between(_FIRST_DIGIT, _LAST_DIGIT), begin == literal_column("'-'"))


def is_short(number: Expression, binder: Binder) -> Expression:
    """Return whether a number is a decimal of few digits without an exponent."""
    exponents = (binder.backend.position(number, literal_column(f"'{one}'")) == ZERO for one in "eE")
    return and_(func.length(number) <= _LONGEST_NUMBER, *exponents)


def is_numeric_text(spelled: Expression) -> Expression:
    """Return whether a text in quotes may be a number or a date."""
    begin = func.substr(spelled, literal_column("2"), ONE)
    signs = (begin == literal_column(f"'{sign}'") for sign in "+-")
    return or_(begin.between(_FIRST_DIGIT, _LAST_DIGIT), *signs)
