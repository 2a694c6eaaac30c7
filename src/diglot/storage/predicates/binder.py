"""What the compilers of predicates share: bound values, the shape, comparisons, days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, BindParameter, Float, Integer, Text, and_, bindparam
from sqlalchemy.types import TypeEngine

from diglot.conditions import dates, relative_dates, tree
from diglot.conditions.tree import Op
from diglot.storage.sql.backend import ONE, ZERO, Backend, Expression

DOUBLE: Final = Float(53)
INTEGER: Final = BigInteger()
# PostgreSQL cuts text at 32-bit lengths only.
LENGTH: Final = Integer()
# SQLAlchemy folds false() and with it the workspace out of the statement, which then is no longer pinned.
MATCHES_NONE: Final[Expression] = ZERO == ONE
STRING: Final = Text()


@dataclass(slots=True)
class Binder:
    """Collects the bound values and the shape of a condition while it is compiled."""

    backend: Backend
    now: int
    zone: ZoneInfo
    values: dict[str, Any] = field(default_factory=dict)
    shape: list[str] = field(default_factory=list)

    def bind(self, value: Any, kind: TypeEngine[Any]) -> BindParameter[Any]:
        """Bind a value (a list as one) and return its parameter."""
        name = f"p{len(self.values)}"
        is_list = isinstance(value, list)
        self.values[name] = self.backend.encode_list(value) if is_list else value
        self.shape.append(type(kind).__name__)
        return bindparam(name, type_=kind)

    def bind_text(self, value: str) -> Expression:
        """Bind a text."""
        return self.bind(value, STRING)

    def bind_length(self, value: str) -> Expression:
        """Bind the length of a text in characters."""
        return self.bind(len(value), LENGTH)

    def contains_part(self, document: Expression, part: str) -> Expression:
        """Tell whether a text contains a part."""
        return self.backend.position(document, self.bind_text(part)) > ZERO

    def to_instant(self, moment: tree.Operand) -> int:
        """Return the instant that a date or an instant stands for."""
        if isinstance(moment, tree.Instant):
            return moment.value
        assert isinstance(moment, tree.Day)
        return dates.start_of_day(_to_date(moment), self.zone)

    def day_span(self, day: tree.Day) -> tuple[int, int]:
        """Return the instants between which a calendar day lasts."""
        return dates.day_span(_to_date(day), self.zone)


def _to_date(day: tree.Day) -> date:
    return date.fromisoformat(day.value)


def scalars_of(operand: tree.Operand) -> tuple[tree.Scalar, ...]:
    if isinstance(operand, tree.Values):
        return operand.values
    assert operand is not None
    assert not isinstance(operand, tree.Days)
    return (operand,)


def texts_of(operand: tree.Operand) -> list[str]:
    return [scalar.value for scalar in scalars_of(operand) if isinstance(scalar, tree.Text)]


def one_of(column: Expression, values: Sequence[Any], kind: TypeEngine[Any], binder: Binder) -> Expression:
    if not values:
        binder.shape.append("none")
        return MATCHES_NONE
    return binder.backend.one_of(column, list(values), kind, binder.bind)


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


def compare_days(
    op: Op, days: int, value: Expression, binder: Binder, bind: Callable[[int, Binder], Expression]
) -> Expression:
    """Compare an instant with days before now; `bind` binds an instant in the form of `value`."""
    low, high = relative_dates.bounds(op, days, binder.now, binder.zone)
    if low == -relative_dates.NEVER:
        return value < bind(high, binder)
    return and_(value >= bind(low, binder), value < bind(high, binder))
