"""Trying conditions that are not stored: an extension."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.dry_run import build_counted_rules
from diglot.api.input.body_reader import BodyReader, Missing
from diglot.api.operation import Operation
from diglot.dialects.topmail import formatting, words
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.segments import dry_run_wire
from diglot.dialects.topmail.segments.routes import DRAFT_CONDITION, MAX_NAME_LENGTH
from diglot.dialects.topmail.words import WORDS
from diglot.model.dry_runs import DryRun
from diglot.model.segments import Condition

_CONDITIONS_KEY: Final = "conditions"
_MAX_ID_LENGTH: Final = 200


@handles(
    Operation(
        "dryRunSegment",
        "POST",
        "/segments/dry-run",
        "segments",
        "Try conditions that are not stored: who would match, enter and leave, rule by rule; it writes "
        "nothing (an extension)",
        scope="contacts:read",
        body=dry_run_wire.DryRun,
        response=dry_run_wire.DryRunAnswer,
        body_references=True,
        read_only=True,
        extension=True,
    )
)
async def dry_run_segment(call: Call) -> dry_run_wire.DryRunAnswer:
    condition, replaces = await _read_request(call)
    run = await call.services.dry_runs.run(call.caller, condition.tree, replaces)
    return dry_run_wire.DryRunAnswer(_to_wire(run, condition))


async def _read_request(call: Call) -> tuple[Condition, str | None]:
    """Return the condition of the body, and the segment in whose place it is tried."""
    reader = BodyReader(await call.read_object(unique_keys=True))
    if reader.has("segment_id"):
        # Without one it could only mean that the segment keeps what it has.
        reader.require(_CONDITIONS_KEY)
    reader.read_name("name", MAX_NAME_LENGTH)
    condition = reader.read_condition(
        _CONDITIONS_KEY, words.DIALECT_NAME, WORDS, call.caller, strict=call.services.strict
    )
    segment_id = reader.read_text("segment_id", _MAX_ID_LENGTH)
    reader.raise_faults()
    return (
        DRAFT_CONDITION if isinstance(condition, Missing) else condition,
        None if isinstance(segment_id, Missing) else segment_id,
    )


def _to_wire(run: DryRun, condition: Condition) -> dry_run_wire.DryRunData:
    other = run.replaced
    return dry_run_wire.DryRunData(
        total=run.members.count,
        current_total=None if other is None else other.member_count,
        entering=None if other is None else other.entering.count,
        leaving=None if other is None else other.leaving.count,
        predicates=build_counted_rules(run, condition.tree, _CONDITIONS_KEY, WORDS),
        sample=list(map(contacts_show.show_contact, run.members.newest)),
        entering_sample=None
        if other is None
        else list(map(contacts_show.show_contact, other.entering.newest)),
        leaving_sample=None if other is None else list(map(contacts_show.show_contact, other.leaving.newest)),
        revision=None if other is None else other.segment.revision,
        as_of=formatting.format_time(run.as_of),
    )


ENDPOINTS: Final = (dry_run_segment,)
