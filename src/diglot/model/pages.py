"""Windows and pages: the rows requested, and the rows returned with their total."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from diglot.model.segments import Rules

T = TypeVar("T")


class Window(msgspec.Struct, frozen=True):
    """The rows requested: skip `offset`, then return at most `limit`."""

    offset: int
    limit: int


class Sort(msgspec.Struct, frozen=True):
    """Sort order by a core field. Contacts without a value come last; equal values come newest first."""

    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of a window, newest first unless sorted otherwise, and the number of all rows."""

    items: Sequence[T]
    total: int


@dataclass(frozen=True, slots=True)
class CountedPage(Page[T]):
    """A page of contacts that match a condition, counted at an instant (microseconds).

    `revision` is the revision of the segment that has the condition, None for an unsaved condition; `rules`
    are the rules of the segment, or the unsaved ones.
    """

    as_of: int
    revision: int | None = None
    rules: Rules | None = None


@dataclass(frozen=True, slots=True)
class MemberPage(CountedPage[T]):
    """A page of a segment's members after the change with the number `entry`, the last one stored."""

    entry: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class HistoricalPage(Page[T]):
    """A page of a segment's members after the change with the number `entry`, in the past.

    `deleted_count` members of the total were deleted since; they keep their place in the order, but are not
    among the items.
    """

    entry: int
    deleted_count: int


class AllIds(msgspec.Struct, frozen=True):
    """The ids of all members: a page with the first of them, and the rest in windows, None if empty."""

    page: MemberPage[str] | HistoricalPage[str]
    rest: AsyncIterator[Sequence[str]] | None
