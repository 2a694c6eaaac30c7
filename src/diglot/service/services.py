"""All use cases together, as the app makes them and a call gets them."""

from dataclasses import dataclass, replace

from diglot.membership.count import Counts
from diglot.service.access.client_keys import OwnKeys
from diglot.service.access.idempotency import Repeats
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import Limits
from diglot.service.access.sessions import Sessions
from diglot.service.audience.dry_run import DryRuns
from diglot.service.audience.explain import Explanations
from diglot.service.audience.lists import Lists
from diglot.service.audience.membership_changes import Changes
from diglot.service.audience.membership_history import Past
from diglot.service.audience.segments import Segments
from diglot.service.audience.tags import Tags
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.service.webhooks import Webhooks
from diglot.storage.sql.engine import Inside, Transaction


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, and whether dialects refuse what their vendor does not have."""

    segments: Segments
    contacts: Contacts
    lists: Lists
    events: Events
    tags: Tags
    keys: Keys
    own_keys: OwnKeys
    sessions: Sessions
    limits: Limits
    repeats: Repeats
    webhooks: Webhooks
    explanations: Explanations
    dry_runs: DryRuns
    past: Past
    changes: Changes
    strict: bool = False

    def within(self, transaction: Transaction) -> "Services":
        """Return the same use cases inside a transaction in progress: they end with it."""
        inside = Inside(transaction)
        # What is counted there may be undone, so it is not remembered with the rest.
        counts = Counts()
        return replace(
            self,
            segments=replace(self.segments, engine=inside, counts=counts),
            contacts=replace(self.contacts, engine=inside, counts=counts),
            own_keys=replace(self.own_keys, engine=inside),
            lists=replace(self.lists, engine=inside, counts=counts),
            webhooks=replace(self.webhooks, engine=inside),
            events=replace(self.events, engine=inside),
            tags=replace(self.tags, engine=inside),
            explanations=replace(self.explanations, engine=inside),
            dry_runs=replace(self.dry_runs, engine=inside),
        )
