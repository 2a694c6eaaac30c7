"""The segment calls that all route families share; the families differ only in their responses."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api import warnings
from diglot.api.call import Call
from diglot.api.extensions.as_of import PastQuery, add_as_of_header, add_entry_header, to_as_of
from diglot.api.extensions.known_answers import answer_known, recall, remember
from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.api.responses import encode_json
from diglot.api.rules.words import Words
from diglot.api.warnings import Warnings
from diglot.dialects.misar import formatting, pagination, wire
from diglot.dialects.misar import words as misar_words
from diglot.dialects.misar.segments import member_input
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.words import WORDS
from diglot.model.contacts import Contact
from diglot.model.ids import format_prefixed_id, parse_id
from diglot.model.membership_changes import AsOf
from diglot.model.pages import AllIds, CountedPage, HistoricalPage, MemberPage, Page, Window
from diglot.model.segments import Condition, CountedSegment, Segment, SegmentType
from diglot.service.audience.segments import NewSegment
from diglot.service.audience.segments import SegmentPatch as SegmentChange

A = TypeVar("A", bound=msgspec.Struct)
_PREVIEW_WINDOW: Final = Window(0, 10)
# Clients send this word as the id while a user is still creating a segment.
_UNSAVED_ID: Final = "new"
CRITERIA_KEY: Final = "filter_criteria"


def read_segment_id(call: Call) -> str | None:
    """Return the UUID of the segment in the path; None for an invalid id."""
    return parse_id(call.path_parameters["segment_id"])


async def list_page(call: Call) -> tuple[pagination.PageRequest, Page[CountedSegment]]:
    """Return the requested page and its segments."""
    query = call.read_query(wire.PageQuery)
    paging = pagination.PageRequest(query.page, query.limit)
    return paging, await call.services.segments.list_page_with_counts(call.caller, paging.window)


async def warn(call: Call, counted: CountedSegment) -> Warnings:
    """Return the warnings about the rules of a segment."""
    return await warnings.warn(call, counted.segment.rules, CRITERIA_KEY)


async def warn_each(call: Call, page: Page[CountedSegment]) -> Iterator[tuple[CountedSegment, Warnings]]:
    """Return each segment of a page with the warnings about its rules."""
    rules = [counted.segment.rules for counted in page.items]
    return zip(page.items, await warnings.warn_each(call, rules, CRITERIA_KEY), strict=True)


def read_new_segment(call: Call, sent: bytes) -> NewSegment:
    """Return the segment in a body; raise `InvalidInput` or `MalformedRequest`."""
    reader = BodyReader(request_body.parse_object(sent, unique_keys=True))
    body = reader.read(segments_wire.SegmentCreate, "name", "description", "segment_type")
    condition = _read_condition(call, reader)
    reader.raise_faults()
    assert condition is not UNSET
    text = None if body.description is UNSET else body.description
    new = NewSegment(body.name, condition, text, SegmentType(body.segment_type))
    call.services.segments.prepare(call.caller, new)
    return new


async def create_segment(call: Call) -> CountedSegment:
    """Create the segment from the body."""
    new = await call.read_input(read_new_segment)
    return await call.services.segments.create_with_count(call.caller, new)


async def answer_segment(call: Call, show: Callable[[Call, CountedSegment], Awaitable[A]]) -> A | bytes:
    """Return the answer that shows the segment in the path, as it is remembered or as `show` makes it."""
    found = await call.services.segments.find_known(call.caller, read_segment_id(call))
    if found is None:
        counted = await call.services.segments.read_with_count(call.caller, read_segment_id(call))
        return await show(call, counted)
    known, as_of = found
    time = formatting.format_time(as_of)
    return await answer_known(call, known, lambda: show(call, known.counted(as_of)), time)


async def update_segment(call: Call) -> CountedSegment:
    """Update the segment in the path from the body."""
    id_ = read_segment_id(call)
    async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
        wanted = _read_patch(call, BodyReader(await call.read_object(unique_keys=True)))
    return await call.services.segments.update_with_count(call.caller, id_, wanted)


def _read_patch(call: Call, reader: BodyReader) -> SegmentChange:
    body = reader.read(segments_wire.SegmentPatch, "name", "description")
    if reader.has("segment_type"):
        reader.add_fault(("segment_type",), "The type of a segment cannot be changed")
    condition = _read_condition(call, reader)
    reader.raise_faults()
    return SegmentChange(body.name, body.description, condition)


async def delete_segment(call: Call) -> wire.Success:
    """Delete the segment in the path."""
    await call.services.segments.delete(call.caller, read_segment_id(call))
    return wire.Success(success=True)


async def refresh_segment(call: Call) -> CountedSegment:
    """Evaluate the segment in the path again."""
    return await call.services.segments.refresh(call.caller, read_segment_id(call))


async def preview_segment(call: Call) -> CountedPage[Contact]:
    """Return the newest members of the segment in the path, and the member count."""
    return await call.services.segments.list_members(call.caller, read_segment_id(call), _PREVIEW_WINDOW)


async def preview_condition(call: Call, condition: Condition) -> CountedPage[Contact]:
    """Return the newest contacts that match an unstored condition, and their number."""
    await call.services.events.require_kept(call.caller, condition)
    return await call.services.dry_runs.preview(
        call.caller, _PREVIEW_WINDOW, condition.tree, condition.references
    )


async def preview_body_or_segment(call: Call) -> CountedPage[Contact]:
    """Preview the rules in the body, or else those of the segment in the path; `new` names no segment."""
    if call.path_parameters["segment_id"] == _UNSAVED_ID:
        condition = read_condition(call, await call.read_object(unique_keys=True), CRITERIA_KEY, WORDS)
        return await preview_condition(call, condition)
    async with call.not_found_first(lambda: call.services.segments.get(call.caller, read_segment_id(call))):
        body = await call.read_optional_body()
        members = request_body.parse_object(body, unique_keys=True) if body else {}
        if CRITERIA_KEY not in members:
            return await preview_segment(call)
        condition = read_condition(call, members, CRITERIA_KEY, WORDS)
    await call.services.segments.get(call.caller, read_segment_id(call))
    return await preview_condition(call, condition)


async def read_dry_run(call: Call) -> tuple[Condition, str | None]:
    """Return the condition of a dry run, and the segment whose rules it would replace."""
    reader = BodyReader(await call.read_object(unique_keys=True))
    reader.read(segments_wire.DryRun, "name", "description", "segment_type")
    condition = _read_condition(call, reader)
    segment_id = reader.read(segments_wire.DryRun, "segment_id").segment_id
    reader.raise_faults()
    assert condition is not UNSET
    return condition, None if segment_id is UNSET else segment_id


async def change_members(call: Call) -> CountedSegment:
    """Set, add or remove members of the segment in the path, as the body specifies."""
    async with call.not_found_first(lambda: call.services.segments.get(call.caller, read_segment_id(call))):
        wanted = member_input.read_member_change(await call.read_object(unique_keys=True))
    return await call.services.segments.change_members(call.caller, read_segment_id(call), wanted)


def read_condition(call: Call, members: request_body.RawObject, key: str, words: Words) -> Condition:
    """Return the condition in a property of a body; raise `InvalidInput`."""
    reader = BodyReader(members)
    reader.require(key)
    condition = _read_condition(call, reader, key, words)
    reader.raise_faults()
    assert condition is not UNSET
    return condition


def _read_condition(
    call: Call, reader: BodyReader, key: str = CRITERIA_KEY, words: Words = WORDS
) -> Condition | UnsetType:
    return reader.read_condition(key, misar_words.DIALECT_NAME, words, strict=call.services.strict)


async def list_member_ids(call: Call) -> segments_wire.MembersAnswer | bytes:
    """Return a page of member ids of the segment in the path."""
    id_ = read_segment_id(call)
    # No query about the past is remembered.
    key = call.operation.response, call.request.scope["query_string"]
    if (found := await call.services.segments.recall(call.caller, id_, key)) is not None:
        before, now = found
        body = recall(before, key, formatting.format_time(now))
        if body is not None:
            add_entry_header(call, before.last_entry)
            return body
    async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
        query = call.read_query(segments_wire.MembersQuery)
    paging, as_of = pagination.PageRequest(query.page, query.limit), to_as_of(query.as_of, call.caller.zone)
    if as_of is not None:
        return _show_member_ids(paging, *await _load_past_member_ids(call, id_, paging.window, as_of))
    segment, page, known = await call.services.segments.list_member_ids(call.caller, id_, paging.window)
    add_as_of_header(call, page)
    shown = _show_member_ids(paging, segment, page)
    if known is None:
        return shown
    body = encode_json(shown)
    remember(known, key, body, has_time=True)
    return body


def _show_member_ids(
    paging: pagination.PageRequest, segment: Segment, page: MemberPage[str] | HistoricalPage[str]
) -> segments_wire.MembersAnswer:
    return segments_wire.MembersAnswer(
        success=True,
        data=segments_wire.MembersData(format_prefixed_id(segment.id), list(page.items)),
        pagination=paging.to_members_pagination(page),
    )


async def list_all_member_ids(call: Call) -> AllIds:
    """Return the ids of all members of the segment in the path."""
    id_ = read_segment_id(call)
    async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
        query = call.read_query(PastQuery)
    as_of = to_as_of(query.as_of, call.caller.zone)
    if as_of is None:
        ids = await call.services.segments.list_all_member_ids(call.caller, id_)
    else:
        ids = await call.services.membership_history.list_all_member_ids(call.caller, id_, as_of)
    add_as_of_header(call, ids.page)
    return ids


async def _load_past_member_ids(
    call: Call, id_: str | None, window: Window, as_of: AsOf
) -> tuple[Segment, HistoricalPage[str]]:
    segment, page = await call.services.membership_history.list_member_ids(call.caller, id_, window, as_of)
    add_as_of_header(call, page)
    return segment, page
