"""Domain values -> Misar's shapes on the routes without a version."""

from diglot.dialects.misar.contacts.tiers import tier
from diglot.dialects.misar.pagination import Paging
from diglot.dialects.misar.segments import show
from diglot.dialects.misar.unversioned import wire
from diglot.model.contacts import Contact
from diglot.model.segments import CountedSegment


def segment(counted: CountedSegment) -> wire.RootSegment:
    """Show a segment with its rules."""
    shown = show.segment(counted)
    return wire.RootSegment(
        id=shown.id,
        name=shown.name,
        description=shown.description,
        segment_type=shown.segment_type,
        contact_count=shown.contact_count,
        membership_count=shown.contact_count,
        last_calculated_at=shown.last_calculated_at,
        filter_criteria=shown.filter_criteria,
        created_at=shown.created_at,
        updated_at=shown.updated_at,
        count_as_of=shown.count_as_of,
        revision=shown.revision,
        next_change_at=shown.next_change_at,
    )


def answer(counted: CountedSegment) -> wire.RootSegmentAnswer:
    """Show a segment as an answer of its own."""
    return wire.RootSegmentAnswer(success=True, data=segment(counted))


def pagination(paging: Paging, total: int) -> wire.RootPagination:
    """Show where a page stands among all."""
    shown = paging.shown(total)
    return wire.RootPagination(shown.page, shown.limit, shown.total, shown.total_pages)


def contact(one: Contact) -> wire.SampleContact:
    """Show a contact in short."""
    return wire.SampleContact(
        one.id, one.email, one.first_name, one.last_name, one.status, tier(one.engagement_score)
    )
