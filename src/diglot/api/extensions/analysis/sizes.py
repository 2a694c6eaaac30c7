"""The size of a segment over time, by hours or days."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import choice_ref, enumeration_schema, schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.as_of import add_entry_header
from diglot.api.extensions.format import TAG, Count, ExtensionFormat, define_struct
from diglot.api.extensions.time_range import instant_parameter, to_instant
from diglot.api.operation import Operation
from diglot.model.ids import parse_id
from diglot.service.audience.analysis.buckets import Interval
from diglot.service.audience.analysis.sizes import MAX_BUCKETS, Period, SizesOverTime

_INTERVALS: Final = tuple(each.value for each in Interval)
SCHEMAS: Final[dict[str, Any]] = {
    "SizeInterval": enumeration_schema("The length of a bucket, by the clock of the workspace.", _INTERVALS)
}


_IntervalWord = Annotated[
    str, choice_ref("SizeInterval", _INTERVALS), Meta(description="The length of a bucket; `day` by default.")
]
_Since: Any = instant_parameter(
    "Begin with the hour or day that holds this instant; the default is the last 24 hours or 30 days, as far "
    "as the history goes back. Without an offset, it is in the workspace's time zone."
)
_Before: Any = instant_parameter(
    "End with the hour or day before this instant, or with the one that holds it if that has begun; the "
    f"default is now. At most {MAX_BUCKETS:,} buckets."
)


class SizesQuery(msgspec.Struct, frozen=True):
    """The buckets to return."""

    by: _IntervalWord | UnsetType = UNSET
    since: _Since | UnsetType = UNSET
    before: _Before | UnsetType = UNSET


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the endpoint of a dialect for the size of a segment over time."""
    answer = _Answer(form)
    operation = Operation(
        "listSegmentSizes",
        "GET",
        "/segments/{segment_id:str}/sizes",
        TAG,
        "List the size of a segment by hour or day, and how many contacts entered and left (an extension)",
        scope=form.scope,
        query=SizesQuery,
        response=answer.struct,
        lists_members=True,
        extension=True,
    )
    return Endpoint(operation, answer.list_sizes)


class _Answer:
    """Renders sizes over time in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        self._bucket = define_struct(
            "SizeBucket",
            "An hour or a day, from `begins_at` to before `ends_at`. The last one may not be over: it ends "
            "now.",
            [
                ("begins_at", form.time),
                ("ends_at", form.time),
                ("size", Count),
                ("entered", Count),
                ("left", Count),
            ],
        )
        bucket: Any = self._bucket
        self._data = define_struct(
            "SizesData",
            "The size of a segment over time, as the feed of changes has it.",
            [
                ("segment_id", form.segment_id),
                ("by", Annotated[str, schema_ref("SizeInterval")]),
                ("time_zone", str),
                ("buckets", list[bucket]),
            ],
        )
        self.struct = form.define_answer("SizesAnswer", "The size of one segment over time.", self._data)

    async def list_sizes(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["segment_id"])
        async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
            query = call.read_query(SizesQuery)
        interval = Interval.DAY if query.by is UNSET else Interval(query.by)
        zone = call.caller.zone
        period = Period(interval, to_instant(query.since, zone), to_instant(query.before, zone))
        found = await call.services.segment_sizes.list_sizes(call.caller, id_, period)
        add_entry_header(call, found.entry)
        return self.struct(**self._form.envelope, data=self._to_wire(found))

    def _to_wire(self, found: SizesOverTime) -> msgspec.Struct:
        form = self._form
        buckets = [
            self._bucket(
                begins_at=form.format_time(one.begin),
                ends_at=form.format_time(one.end),
                size=one.size,
                entered=one.entered,
                left=one.left,
            )
            for one in found.buckets
        ]
        return self._data(
            segment_id=form.format_segment_id(found.segment.id),
            by=found.interval.value,
            time_zone=found.zone.key,
            buckets=buckets,
        )
