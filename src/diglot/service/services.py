"""All use cases together, as the app makes them and a call gets them."""

from dataclasses import dataclass, replace

from diglot.membership.count import CountCache
from diglot.service.access.client_keys import ClientKeys
from diglot.service.access.idempotency import Idempotency
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.service.audience.dry_run import DryRuns
from diglot.service.audience.explain import Explanations
from diglot.service.audience.lists import Lists
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.segments import Segments
from diglot.service.audience.tags import Tags
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.service.webhooks import Webhooks
from diglot.storage.sql.engine import NestedEngine, Transaction


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, and whether dialects refuse what their vendor does not have."""

    segments: Segments
    contacts: Contacts
    lists: Lists
    events: Events
    tags: Tags
    keys: Keys
    client_keys: ClientKeys
    sessions: Sessions
    rate_limits: RateLimits
    idempotency: Idempotency
    webhooks: Webhooks
    explanations: Explanations
    dry_runs: DryRuns
    membership_history: MembershipHistory
    membership_changes: MembershipChanges
    strict: bool = False

    def in_transaction(self, transaction: Transaction) -> "Services":
        """Return the same use cases inside a transaction in progress: they end with it."""
        inside = NestedEngine(transaction)
        # What is counted there may be undone, so it is not remembered with the rest.
        counts = CountCache()
        return replace(
            self,
            segments=replace(self.segments, engine=inside, counts=counts),
            contacts=replace(self.contacts, engine=inside, counts=counts),
            client_keys=replace(self.client_keys, engine=inside),
            lists=replace(self.lists, engine=inside, counts=counts),
            webhooks=replace(self.webhooks, engine=inside),
            events=replace(self.events, engine=inside),
            tags=replace(self.tags, engine=inside),
            explanations=replace(self.explanations, engine=inside),
            dry_runs=replace(self.dry_runs, engine=inside),
        )
