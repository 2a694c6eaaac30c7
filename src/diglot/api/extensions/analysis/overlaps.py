"""The overlap of segments: a matrix of counts, and which contacts break a partition."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Uuid, checked_by
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.as_of import add_entry_header
from diglot.api.extensions.format import TAG, Count, ExtensionFormat, SegmentTypeWord, define_struct
from diglot.api.operation import Operation
from diglot.errors import InvalidInput
from diglot.model.ids import parse_id
from diglot.model.segments import CountedSegment
from diglot.service.audience.analysis.overlaps import PartitionFault, SegmentOverlap

MIN_SEGMENTS: Final = 2
MAX_SEGMENTS: Final = 20
# So many ids, of any form, with commas between them.
_MAX_LENGTH: Final = MAX_SEGMENTS * 37


def _find_segments_fault(written: str) -> str | None:
    count = len(written.split(","))
    if MIN_SEGMENTS <= count <= MAX_SEGMENTS:
        return None
    return f"Expected {MIN_SEGMENTS} to {MAX_SEGMENTS} ids with commas between them, received {count}"


_SegmentIds = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=_MAX_LENGTH,
        pattern=f"^[^,]+(,[^,]+){{{MIN_SEGMENTS - 1},{MAX_SEGMENTS - 1}}}$",
        description=f"The ids of {MIN_SEGMENTS} to {MAX_SEGMENTS} segments, with commas between them.",
    ),
    checked_by(_find_segments_fault),
]
_BaseId = Annotated[
    str,
    Meta(
        min_length=1,
        description="The segment that the others should divide; without it, all contacts of the workspace.",
    ),
]


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the endpoint of a dialect that compares segments."""
    answer = _Answer(form)
    operation = Operation(
        "compareSegments",
        "GET",
        "/segments/overlap",
        TAG,
        "Count what segments share, check whether they divide all contacts or a base segment, and list the "
        "contacts that break it (an extension)",
        scope=form.scope,
        query=answer.query,
        response=answer.struct,
        lists_members=True,
        extension=True,
    )
    return Endpoint(operation, answer.compare)


class _Answer:
    """Renders an overlap in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        fields: list[Any] = [("segments", _SegmentIds), ("base", _BaseId | UnsetType, UNSET)]
        pages = form.paging.query
        self.query: Any = msgspec.defstruct(
            "OverlapQuery", fields, bases=(pages,), frozen=True, kw_only=True, module=__name__
        )
        segment_id: Any = form.segment_id
        self._segment = define_struct(
            "ComparedSegment",
            "A segment with its number of members.",
            [("id", segment_id), ("name", str), (form.type_key, SegmentTypeWord), ("count", Count)],
        )
        self._fault = define_struct(
            "PartitionFault",
            "A contact that breaks the partition: it is in several segments, in none, or not in the base.",
            [("contact_id", Uuid), ("segment_ids", list[segment_id]), ("in_base", bool)],
        )
        self._data = self._define_data()
        self.struct = form.define_answer(
            "OverlapAnswer",
            "Segments compared. The pages are those of the faults.",
            self._data,
            ("pagination", form.paging.pagination),
        )

    def _define_data(self) -> type[msgspec.Struct]:
        segment: Any = self._segment
        fault: Any = self._fault
        return define_struct(
            "OverlapData",
            "What segments share at `as_of`.\n\nThe segments are a partition of the base if they are "
            "disjoint and cover it, and if none of their members is outside of it.",
            [
                ("segments", list[segment]),
                ("matrix", list[list[Count]]),
                ("base", segment | None),
                ("base_count", Count),
                ("union_count", Count),
                ("is_partition", bool),
                ("is_disjoint", bool),
                ("is_covering", bool),
                ("repeated_count", Count),
                ("uncovered_count", Count),
                ("outside_count", Count),
                ("faults", list[fault]),
                ("as_of", self._form.time),
            ],
        )

    async def compare(self, call: Call) -> msgspec.Struct:
        query = call.read_query(self.query, "segments", "base")
        ids = [parse_id(written) for written in query.segments.split(",")]
        known = [id_ for id_ in ids if id_ is not None]
        if len(set(known)) < len(known):
            raise InvalidInput.at(("segments",), "A segment is given twice")
        base = () if query.base is UNSET else (parse_id(query.base),)
        window = self._form.paging.to_window(query)
        found = await call.services.overlaps.compare(call.caller, ids, base, window)
        add_entry_header(call, found.entry)
        pagination = self._form.paging.to_pagination(query, found.fault_count)
        return self.struct(**self._form.envelope, data=self._to_wire(found), pagination=pagination)

    def _to_wire(self, found: SegmentOverlap) -> msgspec.Struct:
        overlap = found.overlap
        return self._data(
            segments=[self._show_segment(one) for one in found.segments],
            matrix=overlap.matrix,
            base=None if found.base is None else self._show_segment(found.base),
            base_count=overlap.base_count,
            union_count=overlap.union_count,
            is_partition=not found.fault_count,
            is_disjoint=not overlap.repeated,
            is_covering=not overlap.uncovered,
            repeated_count=len(overlap.repeated),
            uncovered_count=len(overlap.uncovered),
            outside_count=len(overlap.outside),
            faults=[self._show_fault(fault, found) for fault in found.faults],
            as_of=self._form.format_time(found.as_of),
        )

    def _show_segment(self, one: CountedSegment) -> msgspec.Struct:
        form, segment = self._form, one.segment
        members = {
            "id": form.format_segment_id(segment.id),
            "name": segment.name,
            form.type_key: segment.type.value,
            "count": one.count,
        }
        return self._segment(**members)

    def _show_fault(self, fault: PartitionFault, found: SegmentOverlap) -> msgspec.Struct:
        ids = [self._form.format_segment_id(found.segments[place].segment.id) for place in fault.places]
        return self._fault(contact_id=fault.contact_id, segment_ids=ids, in_base=fault.in_base)
