"""Says in words what made a contact enter or leave a segment."""

from typing import Final

from diglot.model.membership_changes import Cause

_SENTENCES: Final = {
    Cause.CONTACT_CREATED: "the contact was created",
    Cause.CONTACT_CHANGED: "the contact was changed, or an event of it arrived",
    Cause.CONTACT_DELETED: "the contact was deleted",
    Cause.LIST_CHANGED: "the contact was put on a list or taken off one",
    Cause.TIME: "time passed, and a rule depends on the date",
    Cause.SEGMENT_CREATED: "the segment was created",
    Cause.SEGMENT_CHANGED: "the rules of the segment were changed",
    Cause.SEGMENT_INVALID: "the rules of the segment became invalid",
    Cause.BY_HAND: "a person or a program chose the members",
    Cause.ZONE_CHANGED: "the time zone of the workspace was changed",
    Cause.REPAIRED: "a check of the stored members found a difference and corrected it",
}


def say_cause(cause: Cause) -> str:
    """Return a cause as the end of a sentence that says who moved."""
    return _SENTENCES[cause]
