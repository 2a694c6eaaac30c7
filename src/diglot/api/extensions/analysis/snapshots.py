"""Snapshots: a new static segment with the members of another one, now or at a time in its history."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import checked_by
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.as_of import find_as_of_fault, to_as_of
from diglot.api.extensions.format import TAG, ExtensionFormat
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.api.patterns import INSTANT_OR_SEQUENCE
from diglot.api.rules.writing import write_condition
from diglot.conditions.tree import DRAFT
from diglot.model.ids import parse_id
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.service.audience.segment_writes import NewSegment

_SnapshotTime = Annotated[
    str,
    Meta(
        description="Copy the members at an instant, or after the change with a sequence number, without "
        "contacts that were deleted since; the default is now.",
        pattern=INSTANT_OR_SEQUENCE,
    ),
    checked_by(find_as_of_fault),
]


class SnapshotQuery(msgspec.Struct, frozen=True):
    """The point in time of the members."""

    as_of: _SnapshotTime | UnsetType = UNSET


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the endpoint of a dialect that makes snapshots."""
    operation = Operation(
        "snapshotSegment",
        "POST",
        "/segments/{segment_id:str}/snapshot",
        TAG,
        "Create a static segment with the members that a segment has, or had at a time (an extension)",
        scope=form.write_scope,
        status=201,
        query=SnapshotQuery,
        body=form.snapshot.body,
        response=form.snapshot.response,
        deduplicated=True,
        extension=True,
    )
    return Endpoint(operation, _Answer(form).create)


class _Answer:
    """Creates a snapshot and renders it as a dialect renders a new segment."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        # Its members are given, so it has no rules.
        draft = OriginalText(form.snapshot.dialect, write_condition(DRAFT, form.words))
        self._condition = Condition(DRAFT, draft)

    async def create(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["segment_id"])
        async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
            query = call.read_query(SnapshotQuery)
            reader = BodyReader(await call.read_object(unique_keys=True))
            body: Any = reader.read(self._form.snapshot.body)
            reader.raise_faults()
        text = getattr(body, "description", UNSET)
        description = None if text is UNSET else text
        new = NewSegment(body.name, self._condition, description, SegmentType.STATIC)
        as_of = to_as_of(query.as_of, call.caller.zone)
        created = await call.services.snapshots.create(call.caller, id_, new, as_of)
        return await self._form.snapshot.show(call, created)
