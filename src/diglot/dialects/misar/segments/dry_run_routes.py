"""Trying rules that are not stored: an extension."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.dry_run import counted_rules
from diglot.api.operation import Operation
from diglot.dialects.misar import formatting
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.segments import calls, dry_run_wire
from diglot.dialects.misar.words import WORDS
from diglot.model.dry_runs import DryRun
from diglot.model.segments import Condition


@handles(
    Operation(
        "dryRunSegment",
        "POST",
        "/segments/dry-run",
        "segments",
        "Try rules that are not stored: who would match, enter and leave, rule by rule; it writes nothing "
        "(an extension)",
        scope="read",
        body=dry_run_wire.DryRun,
        answer=dry_run_wire.DryRunAnswer,
        names=True,
        reads=True,
        extension=True,
    )
)
async def dry_run_segment(call: Call) -> dry_run_wire.DryRunAnswer:
    condition, replaces = await calls.tried(call)
    run = await call.services.dry_runs.run(call.caller, condition.tree, replaces)
    return dry_run_wire.DryRunAnswer(success=True, data=_shown(run, condition))


def _shown(run: DryRun, condition: Condition) -> dry_run_wire.DryRunData:
    other = run.replaced
    return dry_run_wire.DryRunData(
        total=run.members.count,
        current_total=None if other is None else other.member_count,
        entering=None if other is None else other.entering.count,
        leaving=None if other is None else other.leaving.count,
        predicates=counted_rules(run, condition.tree, calls.CRITERIA, WORDS),
        sample=list(map(contacts_show.contact, run.members.newest)),
        entering_sample=None if other is None else list(map(contacts_show.contact, other.entering.newest)),
        leaving_sample=None if other is None else list(map(contacts_show.contact, other.leaving.newest)),
        revision=None if other is None else other.segment.revision,
        as_of=formatting.time(run.as_of),
    )


ENDPOINTS: Final = (dry_run_segment,)
