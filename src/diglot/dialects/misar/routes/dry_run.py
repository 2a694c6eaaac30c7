"""Trying rules that are not stored: an extension."""

from typing import Final

from diglot.dialects.dialect import Call
from diglot.dialects.dry_runs import counted_rules
from diglot.dialects.misar import segment_calls, show, wire_dry_run
from diglot.dialects.misar.conditions import WORDS
from diglot.dialects.operations import Operation
from diglot.model.dry_runs import DryRun
from diglot.model.segments import Condition


@Operation(
    "dryRunSegment",
    "POST",
    "/segments/dry-run",
    "segments",
    "Try rules that are not stored: who would match, enter and leave, rule by rule; it writes nothing "
    "(an extension)",
    scope="read",
    body=wire_dry_run.DryRun,
    answer=wire_dry_run.DryRunAnswer,
    names=True,
    reads=True,
    extension=True,
).handled_by
async def dry_run_segment(call: Call) -> wire_dry_run.DryRunAnswer:
    condition, replaces = await segment_calls.tried(call)
    run = await call.services.dry_runs.run(call.caller, condition.tree, replaces)
    return wire_dry_run.DryRunAnswer(success=True, data=_shown(run, condition))


def _shown(run: DryRun, condition: Condition) -> wire_dry_run.DryRunData:
    other = run.replaced
    return wire_dry_run.DryRunData(
        total=run.members.count,
        current_total=None if other is None else other.total,
        entering=None if other is None else other.entering.count,
        leaving=None if other is None else other.leaving.count,
        predicates=counted_rules(run, condition.tree, segment_calls.CRITERIA, WORDS),
        sample=list(map(show.contact, run.members.newest)),
        entering_sample=None if other is None else list(map(show.contact, other.entering.newest)),
        leaving_sample=None if other is None else list(map(show.contact, other.leaving.newest)),
        revision=None if other is None else other.segment.revision,
        as_of=show.time(run.as_of),
    )


ENDPOINTS: Final = (dry_run_segment,)
