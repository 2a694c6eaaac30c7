"""What the compilers of predicates share: bound values, the shape, comparisons, days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, BindParameter, Float, Integer, Text, and_, bindparam
from sqlalchemy.types import TypeEngine

from diglot.conditions import dates, tree
from diglot.conditions.tree import Op
from diglot.storage.sql.backend import ONE, ZERO, Backend, Expression

DOUBLE: Final = Float(53)
INTEGER: Final = BigInteger()
# PostgreSQL cuts text at 32-bit lengths only.
LENGTH: Final = Integer()
# SQLAlchemy folds false() and with it the workspace out of the statement, which then is no longer pinned.
NOBODY: Final[Expression] = ZERO == ONE
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

    def text(self, value: str) -> Expression:
        """Bind a text."""
        return self.bind(value, STRING)

    def length(self, value: str) -> Expression:
        """Bind the length of a text in characters."""
        return self.bind(len(value), LENGTH)

    def has(self, document: Expression, part: str) -> Expression:
        """Tell whether a text contains a part."""
        return self.backend.position(document, self.text(part)) > ZERO

    def instant(self, moment: tree.Operand) -> int:
        """Return the instant that a date or an instant stands for."""
        if isinstance(moment, tree.Instant):
            return moment.value
        assert isinstance(moment, tree.Day)
        return dates.day_begins(_date(moment), self.zone)

    def span(self, day: tree.Day) -> tuple[int, int]:
        """Return the instants between which a calendar day lasts."""
        return dates.day_span(_date(day), self.zone)


def _date(day: tree.Day) -> date:
    return date.fromisoformat(day.value)


def scalars(operand: tree.Operand) -> tuple[tree.Scalar, ...]:
    if isinstance(operand, tree.Values):
        return operand.values
    assert operand is not None
    assert not isinstance(operand, tree.Days)
    return (operand,)


def texts(operand: tree.Operand) -> list[str]:
    return [scalar.value for scalar in scalars(operand) if isinstance(scalar, tree.Text)]


def any_of(column: Expression, values: Sequence[Any], kind: TypeEngine[Any], binder: Binder) -> Expression:
    if not values:
        binder.shape.append("none")
        return NOBODY
    return binder.backend.is_any(column, list(values), kind, binder.bind)


def compare(op: Op, left: Expression, right: Expression) -> Expression:
    if op in (Op.GT, Op.AFTER):
        return left > right
    if op is Op.GTE:
        return left >= right
    if op is Op.LTE:
        return left <= right
    return left < right if op in (Op.LT, Op.BEFORE) else left == right


def integer(value: int, binder: Binder) -> Expression:
    return binder.bind(value, INTEGER)


def days(
    op: Op, days: int, value: Expression, binder: Binder, bind: Callable[[int, Binder], Expression]
) -> Expression:
    """Compare an instant with days before now; `bind` binds an instant in the form of `value`."""
    edge = binder.now - days * dates.DAY
    if op is Op.MORE_THAN_DAYS_AGO:
        return value < bind(edge, binder)
    if op is Op.IN_LAST_DAYS:
        return and_(value >= bind(edge, binder), value <= bind(binder.now, binder))
    day = dates.today(binder.now, binder.zone) - timedelta(days=days)
    begin, end = dates.day_span(day, binder.zone)
    return and_(value >= bind(begin, binder), value < bind(end, binder))
