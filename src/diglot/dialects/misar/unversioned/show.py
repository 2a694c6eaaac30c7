"""Converts domain values to Misar's structs on the routes without a version."""

from diglot.api.warnings import Warnings
from diglot.dialects.misar.contacts.tiers import tier_of_score
from diglot.dialects.misar.pagination import PageRequest
from diglot.dialects.misar.segments import show
from diglot.dialects.misar.unversioned import wire
from diglot.model.contacts import Contact
from diglot.model.segments import CountedSegment


def show_segment(counted: CountedSegment, warnings: Warnings) -> wire.RootSegment:
    """Show a segment with its rules."""
    shown = show.show_segment(counted, warnings)
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
        warnings=shown.warnings,
    )


def show_segment_answer(counted: CountedSegment, warnings: Warnings) -> wire.RootSegmentAnswer:
    """Show a segment as a whole response."""
    return wire.RootSegmentAnswer(success=True, data=show_segment(counted, warnings))


def show_pagination(paging: PageRequest, total: int) -> wire.RootPagination:
    """Show the position of a page in the result."""
    shown = paging.to_pagination(total)
    return wire.RootPagination(shown.page, shown.limit, shown.total, shown.total_pages)


def show_sample_contact(contact: Contact) -> wire.SampleContact:
    """Show the main fields of a contact."""
    return wire.SampleContact(
        contact.id,
        contact.shown_email,
        contact.first_name,
        contact.last_name,
        contact.status,
        tier_of_score(contact.engagement_score),
    )
