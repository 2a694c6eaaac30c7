"""What the calls on segments do, whatever family of routes has them; these differ in what they show."""

from typing import Final

from diglot.api.call import Call
from diglot.api.extensions.as_of import read_as_of, tell
from diglot.api.input import request_body
from diglot.api.input.body_reader import Missing, Reader
from diglot.api.rules import Words
from diglot.dialects.misar import pagination, wire
from diglot.dialects.misar import words as misar_words
from diglot.dialects.misar.segments import member_input
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.words import WORDS
from diglot.model.contacts import Contact
from diglot.model.ids import format_prefixed_id, parse_id
from diglot.model.membership_changes import AsOf
from diglot.model.pages import CountedPage, HistoricalPage, MemberPage, Page, Window
from diglot.model.segments import Condition, CountedSegment, Segment, SegmentType
from diglot.service.audience.segments import KEEP, NewSegment
from diglot.service.audience.segments import SegmentPatch as SegmentChange

_PREVIEW: Final = Window(0, 10)
_LONGEST_NAME: Final = 200
_LONGEST_DESCRIPTION: Final = 1000
_LONGEST_ID: Final = 200
_TYPES: Final = tuple(each.value for each in SegmentType)
# What stands in the place of an id while a segment is being made.
_UNSAVED: Final = "new"
CRITERIA: Final = "filter_criteria"


def named(call: Call) -> str | None:
    """Return the UUID of the segment that the path names, None for what is no id."""
    return parse_id(call.path["segment_id"])


async def page(call: Call) -> tuple[pagination.Paging, Page[CountedSegment]]:
    """Return the page asked for and its segments."""
    paging = pagination.read(call.query)
    return paging, await call.services.segments.list_page_with_counts(call.caller, paging.window)


async def create(call: Call) -> CountedSegment:
    """Make the segment of the body."""
    reader = Reader(await call.members(unique=True))
    reader.required("name", "segment_type", CRITERIA)
    name = reader.name("name", _LONGEST_NAME)
    description = reader.text_or_null("description", _LONGEST_DESCRIPTION)
    kind = reader.choice("segment_type", _TYPES)
    condition = _condition(call, reader)
    reader.finish()
    assert not isinstance(name, Missing)
    assert not isinstance(kind, Missing)
    assert not isinstance(condition, Missing)
    text = None if isinstance(description, Missing) else description
    new = NewSegment(name, condition, text, SegmentType(kind))
    return await call.services.segments.create_with_count(call.caller, new)


async def get(call: Call) -> CountedSegment:
    """Return the segment of the path."""
    return await call.services.segments.get_with_count(call.caller, named(call))


async def change(call: Call) -> CountedSegment:
    """Change the segment of the path as the body says."""
    id_ = named(call)
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        wanted = _change(call, Reader(await call.members(unique=True)))
    return await call.services.segments.update_with_count(call.caller, id_, wanted)


def _change(call: Call, reader: Reader) -> SegmentChange:
    name = reader.name("name", _LONGEST_NAME)
    description = reader.text_or_null("description", _LONGEST_DESCRIPTION)
    if reader.has("segment_type"):
        reader.fault(("segment_type",), "The type of a segment cannot be changed")
    condition = _condition(call, reader)
    reader.finish()
    return SegmentChange(
        KEEP if isinstance(name, Missing) else name,
        KEEP if isinstance(description, Missing) else description,
        KEEP if isinstance(condition, Missing) else condition,
    )


async def delete(call: Call) -> wire.Success:
    """Delete the segment of the path."""
    await call.services.segments.delete(call.caller, named(call))
    return wire.Success(success=True)


async def refresh(call: Call) -> CountedSegment:
    """Evaluate the segment of the path again."""
    return await call.services.segments.refresh(call.caller, named(call))


async def preview(call: Call) -> CountedPage[Contact]:
    """Return the newest members of the segment of the path, and how many there are."""
    return await call.services.segments.list_members(call.caller, named(call), _PREVIEW)


async def preview_of(call: Call, condition: Condition) -> CountedPage[Contact]:
    """Return the newest contacts that meet a condition which is not stored, and how many there are."""
    return await call.services.contacts.list_page(call.caller, _PREVIEW, condition.tree)


async def preview_given(call: Call) -> CountedPage[Contact]:
    """Preview the rules of the body, or without any the segment of the path; `new` names no segment."""
    if call.path["segment_id"] == _UNSAVED:
        condition = given_condition(call, await call.members(unique=True), CRITERIA, WORDS)
        return await preview_of(call, condition)
    async with call.or_missing(lambda: call.services.segments.get(call.caller, named(call))):
        body = await call.body_if_any()
        members = request_body.read_members(body, unique=True) if body else {}
        if CRITERIA not in members:
            return await preview(call)
        condition = given_condition(call, members, CRITERIA, WORDS)
    await call.services.segments.get(call.caller, named(call))
    return await preview_of(call, condition)


async def tried(call: Call) -> tuple[Condition, str | None]:
    """Return the condition of a body that is tried, and the segment in whose place."""
    reader = Reader(await call.members(unique=True))
    reader.required(CRITERIA)
    reader.name("name", _LONGEST_NAME)
    reader.text_or_null("description", _LONGEST_DESCRIPTION)
    reader.choice("segment_type", _TYPES)
    condition = _condition(call, reader)
    segment_id = reader.text("segment_id", _LONGEST_ID)
    reader.finish()
    assert not isinstance(condition, Missing)
    return condition, None if isinstance(segment_id, Missing) else segment_id


async def change_members(call: Call) -> CountedSegment:
    """Change the members of the segment of the path by hand, as the body says."""
    async with call.or_missing(lambda: call.services.segments.get(call.caller, named(call))):
        wanted = member_input.read(await call.members(unique=True))
    return await call.services.segments.change_members(call.caller, named(call), wanted)


def given_condition(call: Call, members: request_body.Members, key: str, words: Words) -> Condition:
    """Return the condition under a key of a body; raise `Invalid`."""
    reader = Reader(members)
    reader.required(key)
    condition = _condition(call, reader, key, words)
    reader.finish()
    assert not isinstance(condition, Missing)
    return condition


def _condition(call: Call, reader: Reader, key: str = CRITERIA, words: Words = WORDS) -> Condition | Missing:
    return reader.condition(key, misar_words.NAME, words, call.caller, strict=call.services.strict)


async def member_ids(call: Call) -> segments_wire.MembersAnswer:
    """Show a page of the ids of the members of the segment of the path."""
    id_ = named(call)
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        paging, as_of = pagination.read(call.query), read_as_of(call)
    segment, found = await _member_ids(call, paging.window, as_of)
    return segments_wire.MembersAnswer(
        success=True,
        data=segments_wire.MembersData(format_prefixed_id(segment.id), list(found.items)),
        pagination=paging.shown_to_members(found),
    )


async def every_member_id(call: Call) -> MemberPage[str] | HistoricalPage[str]:
    """Return the ids of all members of the segment of the path."""
    async with call.or_missing(lambda: call.services.segments.get(call.caller, named(call))):
        as_of = read_as_of(call)
    _, found = await _member_ids(call, None, as_of)
    return found


async def _member_ids(
    call: Call, window: Window | None, as_of: AsOf | None
) -> tuple[Segment, MemberPage[str] | HistoricalPage[str]]:
    segment: Segment
    found: MemberPage[str] | HistoricalPage[str]
    if as_of is None:
        segment, found = await call.services.segments.list_member_ids(call.caller, named(call), window)
    else:
        segment, found = await call.services.membership_history.list_member_ids(
            call.caller, named(call), window, as_of
        )
    tell(call, found)
    return segment, found
