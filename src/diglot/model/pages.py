"""Windows and pages: what is asked for, and what comes back with its total."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """Rows asked for: skip `offset`, then at most `limit`."""

    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Sort:
    """An order by a field of the catalogue: who lacks it comes last either way, equals stand newest first."""

    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows got, newest first where nothing else is said, and how many there are in all."""

    items: Sequence[T]
    total: int


@dataclass(frozen=True, slots=True)
class CountedPage(Page[T]):
    """Contacts that a condition finds: how many is true at an instant, in microseconds.

    `revision` is that of the segment whose condition it is, None of one that is not stored.
    """

    as_of: int
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class MemberPage(CountedPage[T]):
    """Members of a segment when the change of the number `entry` was the last that was stored."""

    entry: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class HistoricalPage(Page[T]):
    """Members of a segment after the change of the number `entry`.

    So many of the total are `deleted` since: they have their place in the order, and are not among the items.
    """

    entry: int
    deleted_count: int
