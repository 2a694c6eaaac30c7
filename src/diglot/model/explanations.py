"""What is said of one contact and one segment."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from diglot.conditions.explain import Verdict
from diglot.model.contacts import Contact
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a contact is a member of a segment at an instant (microseconds), and why.

    `lists` are the ids of the static lists that the contact is on, where the condition asks. `verdict` is
    None for a static segment, whose condition decides nothing. `entered` is when a member came, and by what,
    where that is known.
    """

    segment: Segment
    contact: Contact
    list_ids: tuple[str, ...]
    is_member: bool
    verdict: Verdict | None
    entry_origin: ChangeOrigin | None
    as_of: int
    zone: ZoneInfo
