"""All use cases together, as the app makes them and a call gets them."""

from dataclasses import dataclass, replace

from diglot.service.contacts import Contacts
from diglot.service.keys import Keys
from diglot.service.segments import Segments
from diglot.storage.engine import Inside, Transaction


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, and whether dialects refuse what their vendor does not have."""

    segments: Segments
    contacts: Contacts
    keys: Keys
    strict: bool = False

    def within(self, transaction: Transaction) -> "Services":
        """Return the same use cases inside a transaction in progress: they end with it."""
        inside = Inside(transaction)
        return replace(
            self,
            segments=replace(self.segments, engine=inside),
            contacts=replace(self.contacts, engine=inside),
        )
