"""All use cases in one object: the app creates it, and every handler receives it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Final

from diglot.computations import LoopTurns
from diglot.membership.count import CountCache
from diglot.service.access.client_keys import ClientKeys
from diglot.service.access.first_visit import FirstVisit
from diglot.service.access.idempotency import Idempotency
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.service.audience.analysis.contact_segments import ContactSegments
from diglot.service.audience.analysis.overlaps import Overlaps
from diglot.service.audience.analysis.recent_changes import RecentChanges
from diglot.service.audience.analysis.sizes import SegmentSizes
from diglot.service.audience.analysis.snapshots import Snapshots
from diglot.service.audience.attribute_keys import AttributeKeys
from diglot.service.audience.dry_run import DryRuns
from diglot.service.audience.explain import Explanations
from diglot.service.audience.lists import Lists
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.segments import Segments
from diglot.service.audience.tags import Tags
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.service.contacts.person_requests import PersonRequests
from diglot.service.contacts.received_webhooks import ReceivedWebhooks
from diglot.service.exports.exports import Exports
from diglot.service.imports.jobs import Imports
from diglot.service.webhooks import Webhooks
from diglot.storage.sql.engine import NestedEngine, Transaction

# A request is authenticated and counted before its transaction begins, and idempotency owns the transaction.
_OUTSIDE_TRANSACTIONS: Final = ("keys", "sessions", "rate_limits", "idempotency", "first_visit")


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases; `strict` makes dialects reject what their vendor does not have.

    `loop_turns` are for reading long bodies on the event loop.
    """

    segments: Segments
    contacts: Contacts
    lists: Lists
    events: Events
    tags: Tags
    attribute_keys: AttributeKeys
    keys: Keys
    client_keys: ClientKeys
    sessions: Sessions
    rate_limits: RateLimits
    idempotency: Idempotency
    webhooks: Webhooks
    received_webhooks: ReceivedWebhooks
    explanations: Explanations
    dry_runs: DryRuns
    membership_history: MembershipHistory
    membership_changes: MembershipChanges
    overlaps: Overlaps
    segment_sizes: SegmentSizes
    snapshots: Snapshots
    contact_segments: ContactSegments
    recent_changes: RecentChanges
    person_requests: PersonRequests
    imports: Imports
    exports: Exports
    first_visit: FirstVisit
    strict: bool = False
    loop_turns: LoopTurns = field(default_factory=LoopTurns)

    def in_transaction(self, transaction: Transaction) -> "Services":
        """Return the same use cases bound to a transaction in progress."""
        # A cache of its own, because the transaction may be rolled back.
        inside = {"engine": NestedEngine(transaction), "counts": CountCache()}
        return replace(self, **{name: _rebuild(use_cases, inside) for name, use_cases in self._use_cases()})

    def _use_cases(self) -> Iterator[tuple[str, Any]]:
        """Yield the use cases with their names, except those that run before a transaction or own it."""
        for one in fields(self):
            if one.name not in _OUTSIDE_TRANSACTIONS and is_dataclass(use_cases := getattr(self, one.name)):
                yield one.name, use_cases


def _rebuild(use_cases: Any, parts: Mapping[str, object]) -> Any:
    """Return use cases with the parts replaced that they have."""
    own = {one.name for one in fields(use_cases)}
    return replace(use_cases, **{name: part for name, part in parts.items() if name in own})
