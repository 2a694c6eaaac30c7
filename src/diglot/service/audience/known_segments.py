"""Segments as a process remembers them by their rows, with the answers that were made of them.

Each request reads the row of its segment, joined with that of the workspace, unless the engine knows that
nothing was committed since it was read. What is remembered counts only if the row is equal, so nothing
remembered can be older than the row. The row has all that an answer depends on: the rules and their revision,
the stored number of members, and the versions and the last entry of the workspace, one of which changes with
every write that moves members. Only the passing of time is not in it, so a remembered segment counts between
the workspace clock and its next change.

A row is compared, not hashed, because the rules in it may be long.
"""

from typing import Any, Final

from diglot.caches import CacheSlot, LoopMemo
from diglot.membership import store
from diglot.model.segments import CountedSegment, MemberCount, Segment
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Engine, Row
from diglot.storage.workspaces import WorkspaceState

# Rows and answers with more bytes are not remembered, because a few of them would fill the memory.
MAX_BYTES: Final = 16_384
# The bytes of a segment and its state, without their texts, of which rules and row have several copies.
_BYTES_OF_A_SEGMENT: Final = 3_000
_COPIES_OF_TEXTS: Final = 6
_UNCOUNTED: Final = -1
_BYTES_OF_AN_ANSWER: Final = 300


class KnownSegment:
    """A segment whose stored members are right, made of a row.

    `count` is their number, negative until it was asked for. `mark` is what was committed when the row was
    read last, as `Engine.commit_mark` tells. `weight` is an estimate in bytes.
    """

    __slots__ = ("_answers", "_memo", "count", "mark", "row", "segment", "state", "weight")

    def __init__(self, row: tuple[Any, ...], segment: Segment, state: WorkspaceState, memo: "_Memo") -> None:
        texts = sum(len(value) for value in row if isinstance(value, str))
        self.row, self.segment, self.state = row, segment, state
        self.count = _UNCOUNTED
        self.mark: object | None = None
        self.weight = _BYTES_OF_A_SEGMENT + _COPIES_OF_TEXTS * texts
        self._memo: _Memo | None = memo if texts <= MAX_BYTES else None
        self._answers: dict[Any, Any] = {}

    @property
    def may_be_remembered(self) -> bool:
        """Whether the row is short enough."""
        return self._memo is not None

    def is_right_at(self, now: int) -> bool:
        """Tell whether time has changed neither members nor next change, and the clock is not set back."""
        evaluated_at, next_change_at = self.state.evaluated_at, self.segment.next_change_at
        return max(now, evaluated_at) < next_change_at and now >= evaluated_at - store.MAX_CLOCK_SKEW

    @property
    def last_entry(self) -> int:
        """The last entry of the membership log."""
        return self.state.last_entry

    def answer(self, key: Any) -> Any:
        """Return what was remembered under a key, or None."""
        return self._answers.get(key)

    def remember(self, key: Any, answer: Any, size: int) -> None:
        """Remember an answer of `size` bytes that follows from the row alone, unless it is long."""
        if self._memo is not None and size <= MAX_BYTES:
            self._answers[key] = answer
            self.weight += size + _BYTES_OF_AN_ANSWER
            self._memo.note_growth(size + _BYTES_OF_AN_ANSWER)

    def counted(self, as_of: int) -> CountedSegment:
        """Return the segment with its count at an instant at which it is right."""
        return CountedSegment(self.segment, self.count, as_of)

    def member_count(self, as_of: int) -> MemberCount:
        """Return the count at an instant at which it is right."""
        return MemberCount(self.count, as_of, self.segment.revision, self.segment.rules)


# By workspace and id.
_Memo = LoopMemo[tuple[int, str], KnownSegment]
_KNOWN: Final = CacheSlot[_Memo]("known segments", 0.03125, LoopMemo)


async def find_known_segment(
    engine: Engine, workspace: int, id_: str, now: int, *, counted: bool = True
) -> tuple[KnownSegment, int] | None:
    """Return a segment as its row is now, and the instant that the read shows; None if more is necessary.

    More is necessary for an unknown id, a segment without stored members, log rows that this process has not
    read, and if time may have changed the segment; and in a transaction, because that may be rolled back.
    """
    if not engine.sees_commits_only:
        return None
    mark = engine.commit_mark()
    known = engine.process_cache.of(_KNOWN).get((workspace, id_))
    if known is None or known.mark != mark or mark is None:
        row = await segments.fetch_row_with_state(engine, workspace, id_)
        known = None if row is None else _know_row(engine, workspace, id_, row)
        if known is not None:
            known.mark = mark
    if known is None or not known.is_right_at(now):
        return None
    if counted and not _knows_count(engine, workspace, known):
        return None
    return known, max(now, known.state.evaluated_at)


def find_known_by_row(engine: Engine, workspace: int, row: Row, at: int) -> KnownSegment | None:
    """Return the segment of a row from which the members at an instant follow; None if they do not."""
    if not engine.sees_commits_only:
        return None
    known = _know_row(engine, workspace, row[1], row)
    return known if known is not None and known.is_right_at(at) else None


def has_answer(engine: Engine, workspace: int, id_: str, key: Any) -> bool:
    """Tell whether an answer is remembered under a key, for a segment whose row may have changed since."""
    known = engine.process_cache.of(_KNOWN).get((workspace, id_))
    return known is not None and known.answer(key) is not None


def _know_row(engine: Engine, workspace: int, id_: str, row: Row) -> KnownSegment | None:
    """Return the segment of a row as remembered, or remember it; None if the row is not enough."""
    values = row if type(row) is tuple else tuple(row)
    memo = engine.process_cache.of(_KNOWN)
    known = memo.get((workspace, id_))
    if known is None or known.row != values:
        known = _read_row(values, memo)
        if known is not None and known.may_be_remembered:
            memo.put((workspace, id_), known)
    return known


def _read_row(row: tuple[Any, ...], memo: _Memo) -> KnownSegment | None:
    segment, state = segments.read_row_with_state(row)
    if segment.members is None:
        return None
    return KnownSegment(row, segment, state, memo)


def _knows_count(engine: Engine, workspace: int, known: KnownSegment) -> bool:
    """Tell whether the log rows of a segment are known, and count its members the first time."""
    if known.count < 0:
        state, segment = known.state, known.segment
        delta = store.find_cached_delta(engine.process_cache, workspace, state.compacted_to, state.last_entry)
        if delta is None or segment.members is None:
            return False
        known.count = delta.count_members(segment.number, segment.members)
    return True
