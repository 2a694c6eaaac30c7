"""Trying a condition without storing it: who would be a member, and who would enter and leave a segment."""

from dataclasses import dataclass
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Invalid, NotFound
from diglot.membership import read
from diglot.model.dry_runs import DryRun, Found, Replaced
from diglot.model.ids import read_id
from diglot.model.segments import Segment, SegmentType
from diglot.model.workspaces import Caller
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.contacts import dry_run_counts
from diglot.storage.contacts.dry_run_counts import DryCounts, Question
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State

SAMPLE: Final = 10
_STATIC: Final = "A static segment holds whom it was given: no condition takes the place of its members"


@dataclass(frozen=True, slots=True)
class DryRuns:
    """The use case: it reads one snapshot and writes nothing."""

    engine: Engine
    clock: Clock = system_clock

    async def run(self, caller: Caller, condition: tree.Node, replaces: str | None) -> DryRun:
        """Try a condition, in the place of a dynamic segment's where the id of one is given, as written.

        Raise `NotFound` for a segment that is not there, `Invalid` for a static one.
        """
        return await self.engine.read(lambda tx: self._run(tx, caller.workspace, condition, replaces))

    async def _run(
        self, transaction: Transaction, workspace: int, condition: tree.Node, replaces: str | None
    ) -> DryRun:
        segment = None
        if replaces is None:
            state = await workspaces.state(transaction, workspace)
        else:
            segment, state = await _dynamic(transaction, workspace, replaces)
        current = tree.DRAFT if segment is None else segment.condition.tree
        at = read.read_at(state, self.clock())
        question = Question(workspace, condition, current, at, state.zone)
        counts = await dry_run_counts.count(transaction, question)
        return DryRun(
            members=await _found(transaction, question, condition, counts.total),
            rules=list(zip(tree.rules_of(condition), counts.rules, strict=True)),
            replaced=None if segment is None else await _replaced(transaction, question, segment, counts),
            as_of=at,
        )


async def _found(transaction: Transaction, question: Question, node: tree.Node, count: int) -> Found:
    # Of fewer the last is found before the scan is at its end.
    return Found(count, await dry_run_counts.newest(transaction, question, node, min(count, SAMPLE)))


async def _replaced(
    transaction: Transaction, question: Question, segment: Segment, counts: DryCounts
) -> Replaced:
    entering = await _found(transaction, question, question.entering, counts.entering)
    leaving = await _found(transaction, question, question.leaving, counts.leaving)
    return Replaced(segment, counts.current, entering, leaving)


async def _dynamic(transaction: Transaction, workspace: int, written: str) -> tuple[Segment, State]:
    id_ = read_id(written)
    found = None if id_ is None else await segments.by_id_with_state(transaction, workspace, id_)
    if found is None:
        raise NotFound("segment")
    if found[0].type is not SegmentType.DYNAMIC:
        raise Invalid.at(("segment_id",), _STATIC)
    return found
