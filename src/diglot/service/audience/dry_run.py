"""Evaluates rules without storing them: previews, and dry runs that compare with a segment."""

import os
from dataclasses import dataclass, field, replace
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import InvalidInput, NotFound
from diglot.membership import read
from diglot.membership.count import CountCache
from diglot.membership.read import MembershipQuery
from diglot.membership.static_members.lookup import load_key_sets
from diglot.model.contacts import Contact
from diglot.model.dry_runs import DryRun, ReplacedSegment, Sample
from diglot.model.ids import parse_id
from diglot.model.pages import CountedPage, Window
from diglot.model.segments import Rules, Segment, SegmentType, SentReferences
from diglot.model.workspaces import Caller
from diglot.service.audience.rules.segment_references import expand_unsaved
from diglot.service.unit_of_work import reads
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.contacts import dry_run_counts
from diglot.storage.contacts.dry_run_counts import DryRunCounts, DryRunQuestion
from diglot.storage.sql.engine import DEFAULT_LIMITS, Engine
from diglot.storage.sql.pool.turns import Turns
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

SAMPLE_SIZE: Final = 10
_STATIC_SEGMENT_MESSAGE: Final = "A static segment has no condition that a dry run could replace"


def _make_turns() -> Turns:
    """Return turns for dry runs: a workspace takes at most half of the processor's cores, and at least one.

    A dry run may use a core for seconds. More of them at once would finish no sooner, and take the cores from
    all other requests. So they may wait although none of their workspace has ended for a while.
    """
    limits = replace(DEFAULT_LIMITS, wait_seconds=DEFAULT_LIMITS.queue_seconds)
    return Turns(max(2, os.cpu_count() or 1), limits)


@dataclass(frozen=True, slots=True)
class DryRuns:
    """The use case of dry runs: it reads one snapshot and writes nothing."""

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)
    turns: Turns = field(default_factory=_make_turns)

    async def run(
        self, caller: Caller, rules: tree.Node, replaces: str | None, sent: SentReferences = ()
    ) -> DryRun:
        """Evaluate rules; `replaces` is the id, as sent, of a dynamic segment to compare with.

        `sent` are the segments that the rules name. Raise `NotFound` for a segment that does not exist,
        `InvalidInput` for a static one or for references that could not be stored, `DatabaseBusy` if other
        dry runs take too long.
        """
        await self.turns.take(caller.workspace)
        try:
            return await self._run(caller, rules, replaces, sent)
        finally:
            self.turns.give_back(caller.workspace, succeeded=True)

    @reads
    async def preview(
        self, tenant: Tenant, window: Window, rules: tree.Node, sent: SentReferences
    ) -> CountedPage[Contact]:
        """Return a window of the contacts that meet rules that are not stored; `sent` as in `run`."""
        state = await workspaces.load_state(tenant)
        expansion = await expand_unsaved(tenant, rules, sent, state)
        at = read.effective_now(state, self.clock())
        query = MembershipQuery(expansion.evaluated(rules), at, state.zone)
        total = await self.counts.count(tenant, query, state)
        page, told = await read.load_page(tenant, query, window), Rules(rules, expansion.broken)
        return CountedPage(page, total, at, rules=told)

    @reads
    async def _run(
        self, tenant: Tenant, rules: tree.Node, replaces: str | None, sent: SentReferences
    ) -> DryRun:
        segment = None
        if replaces is None:
            state = await workspaces.load_state(tenant)
        else:
            segment, state = await _require_dynamic_segment(tenant, replaces)
        expansion = await expand_unsaved(tenant, rules, sent, state, segment)
        condition = expansion.evaluated(rules)
        current = tree.DRAFT if segment is None else segment.evaluated_tree
        at = read.effective_now(state, self.clock())
        alone = tuple(map(expansion.expand_rule, tree.rules_of(rules)))
        key_sets = await load_key_sets(tenant, (condition, current, *alone), at, state.zone)
        question = DryRunQuestion(condition, current, at, state.zone, key_sets, alone)
        counts = await dry_run_counts.count_matches(tenant, question)
        return DryRun(
            members=await _sample_contacts(tenant, question, condition, counts.total),
            rules=list(zip(tree.rules_of(rules), counts.rules, strict=True)),
            replaced=None
            if segment is None
            else await _compare_with_segment(tenant, question, segment, counts),
            as_of=at,
            broken=expansion.broken,
        )


async def _sample_contacts(tenant: Tenant, question: DryRunQuestion, node: tree.Node, count: int) -> Sample:
    # Asking for no more rows than match lets the scan stop early.
    return Sample(count, await dry_run_counts.load_newest(tenant, question, node, min(count, SAMPLE_SIZE)))


async def _compare_with_segment(
    tenant: Tenant, question: DryRunQuestion, segment: Segment, counts: DryRunCounts
) -> ReplacedSegment:
    entering = await _sample_contacts(tenant, question, question.entering, counts.entering)
    leaving = await _sample_contacts(tenant, question, question.leaving, counts.leaving)
    return ReplacedSegment(segment, counts.current, entering, leaving)


async def _require_dynamic_segment(tenant: Tenant, sent_id: str) -> tuple[Segment, WorkspaceState]:
    id_ = parse_id(sent_id)
    segment_with_state = None if id_ is None else await segments.find_with_state(tenant, id_)
    if segment_with_state is None:
        raise NotFound("segment")
    if segment_with_state[0].type is not SegmentType.DYNAMIC:
        raise InvalidInput.at(("segment_id",), _STATIC_SEGMENT_MESSAGE)
    return segment_with_state
