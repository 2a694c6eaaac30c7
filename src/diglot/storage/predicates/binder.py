"""What the predicate compilers share: bound values, the shape, comparisons, relative days."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Float,
    Integer,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    exists,
)
from sqlalchemy.types import TypeEngine

from diglot.conditions import dates, relative_dates, tree
from diglot.conditions.tree import Op, scalars_of
from diglot.storage.sql.backend import ONE, ZERO, Backend, Expression

DOUBLE: Final = Float(53)
INTEGER: Final = BigInteger()
BYTES: Final = LargeBinary()
# PostgreSQL's substr and right accept only 32-bit lengths.
LENGTH: Final = Integer()
# `false()` would not do: SQLAlchemy folds it, and the workspace filter with it, out of the statement, which
# then no longer uses the pinned index.
MATCHES_NONE: Final[Expression] = ZERO == ONE
STRING: Final = Text()
# Up to these numbers, values are bound and compared one by one; more travel as one list parameter. A list has
# a fixed cost for each contact: as lists, two values of an attribute took 2.6 times as long on SQLite, two
# tags 2.3 times. It costs less than 5 comparisons of an attribute. The document of tags is short, so that a
# list of tags costs as much as 16 comparisons on SQLite and 64 on PostgreSQL. Spans of time
# are not looked up: as a list, five days took 16 times as long on SQLite.
SHORT_LIST: Final = 4
SHORT_TAG_LIST: Final = 32
SHORT_SPAN_LIST: Final = 64


# The contacts that match each predicate that SQL cannot compute, by its stored form: bit n of the bytes, from
# the lowest bit of the first byte, stands for the contact with key n.
KeySets = Mapping[str, bytes]
NO_KEY_SETS: Final[KeySets] = {}


class Asked(enum.Enum):
    """Of how many contacts a statement asks a condition: of all, until a page is full, or of one."""

    ALL = enum.auto()
    PAGE = enum.auto()
    ONE = enum.auto()


@dataclass(slots=True)
class Binder:
    """Collects the bound values and the shape of a condition while it is compiled."""

    backend: Backend
    now: int
    zone: ZoneInfo
    key_sets: KeySets = field(default_factory=dict)
    asked: Asked = Asked.ALL
    values: dict[str, Any] = field(default_factory=dict)
    shape: list[str] = field(default_factory=list)

    def bind(self, value: Any, kind: TypeEngine[Any]) -> BindParameter[Any]:
        """Bind a value and return its parameter; a list is bound as one parameter."""
        name = f"p{len(self.values)}"
        is_list = isinstance(value, list)
        self.values[name] = self.backend.encode_list(value) if is_list else value
        self.shape.append(type(kind).__name__)
        return bindparam(name, type_=kind)

    def bind_text(self, value: str) -> Expression:
        """Bind a string."""
        return self.bind(value, STRING)

    def bind_length(self, value: str) -> Expression:
        """Bind the length of a string in characters."""
        return self.bind(len(value), LENGTH)

    def contains_part(self, document: Expression, part: str) -> Expression:
        """Return whether a document contains a part."""
        return self.backend.position(document, self.bind_text(part)) > ZERO

    def is_among(self, key: Expression, keys: Select[Any], *, looks_up: bool) -> Expression:
        """Return whether a key is among those of a select of one column.

        All of them are found first, unless each key `looks_up` its own rows.
        """
        if not looks_up:
            return self.backend.is_among(key, keys)
        (column,) = keys.selected_columns
        return exists(keys.where(column == key))

    def to_instant(self, operand: tree.Operand) -> int:
        """Return the instant of a date operand in the time zone, in microseconds."""
        assert isinstance(operand, tree.Date)
        return dates.operand_to_instant(operand, self.zone)


def texts_of(operand: tree.Operand) -> list[str]:
    return [scalar.value for scalar in scalars_of(operand) if isinstance(scalar, tree.Text)]


def one_of(column: Expression, values: Sequence[Any], kind: TypeEngine[Any], binder: Binder) -> Expression:
    if not values:
        binder.shape.append("none")
        return MATCHES_NONE
    if len(values) > SHORT_LIST:
        binder.shape.append("list")
        return binder.backend.one_of(column, list(values), kind, binder.bind)
    binder.shape.append(f"{len(values)} values")
    bound = [binder.bind(value, kind) for value in values]
    return column.in_(bound) if len(bound) > 1 else column == bound[0]


def compare(op: Op, left: Expression, right: Expression) -> Expression:
    if op in (Op.GT, Op.AFTER):
        return left > right
    if op is Op.GTE:
        return left >= right
    if op is Op.LTE:
        return left <= right
    return left < right if op in (Op.LT, Op.BEFORE) else left == right


def bind_integer(value: int, binder: Binder) -> Expression:
    return binder.bind(value, INTEGER)


def compare_with_now(
    op: Op,
    duration: tree.Duration,
    value: Expression,
    binder: Binder,
    bind: Callable[[int, Binder], Expression],
) -> Expression:
    """Compare an instant with days or hours from now; `bind` binds an instant in the form of `value`."""
    low, high = relative_dates.bounds(op, duration, binder.now, binder.zone)
    if low == -relative_dates.NEVER:
        return value < bind(high, binder)
    return and_(value >= bind(low, binder), value < bind(high, binder))
