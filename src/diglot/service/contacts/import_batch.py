"""Applies rows of an import to contacts, matched by address: one batch in one write unit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from diglot.errors import InvalidInput, LimitReached
from diglot.model.contacts import SUBSCRIBED, Contact, ContactChange
from diglot.model.ids import iterate_new_ids
from diglot.model.imports import ImportCounts
from diglot.service.contacts import contact_writes
from diglot.service.contacts.contact_changes import changed_contact, new_contact
from diglot.service.contacts.contact_writes import ContactUpdate
from diglot.service.limits import require_room
from diglot.storage.contacts import queries
from diglot.storage.slices import compute_off_loop
from diglot.storage.write_unit import WriteUnit


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What an import may do.

    A workspace may have `max_contacts`, 0 for any number: a row that would create one more is rejected.
    """

    update_existing: bool
    max_contacts: int


async def import_batch(
    unit: WriteUnit, changes: Sequence[ContactChange], rules: ImportRules
) -> "ImportBatch":
    """Create or update contacts by address, in order; return what became of the rows."""
    emails = list(dict.fromkeys(change.email for change in changes))
    existing = await queries.find_contacts_by_email(unit, emails)
    batch = ImportBatch(rules, existing, unit.now, unit.row.next_pk, unit.row.contact_count)
    await compute_off_loop(unit, len(changes), partial(batch.apply_changes, changes))
    unit.take_keys("pk", len(batch.created))
    await contact_writes.insert_contacts(unit, list(batch.created.values()))
    await contact_writes.update_contacts(unit, batch.updates())
    await contact_writes.repeat_opt_outs(unit, batch.opted_out_again)
    return batch


@dataclass(slots=True)
class ImportBatch:
    """A batch in progress: existing, new and updated contacts by address.

    New contacts get the dense keys from `first_key` on. `rejected` are the places of rejected rows in the
    batch, with the reasons. `opted_out_again` had the status before that their rows state.
    """

    rules: ImportRules
    existing: Mapping[str, Contact]
    now: int
    first_key: int
    contact_count: int
    created: dict[str, Contact] = field(default_factory=dict)
    updated: dict[str, Contact] = field(default_factory=dict)
    counts: ImportCounts = field(default_factory=ImportCounts)
    opted_out_again: list[Contact] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    _ids: Iterator[str] = field(default_factory=iterate_new_ids)

    def apply_changes(self, changes: Sequence[ContactChange]) -> None:
        """Apply the rows; every row is counted, even with a repeated address."""
        self.counts.rows += len(changes)
        for place, change in enumerate(changes):
            try:
                self._apply_change(change)
            except InvalidInput as invalid:
                self.rejected.append((place, invalid.faults[0].message))
            except LimitReached as reached:
                self.rejected.append((place, str(reached)))
        self.counts.refused += len(self.rejected)

    def _apply_change(self, change: ContactChange) -> None:
        email, counts = change.email, self.counts
        before = self.created.get(email) or self.updated.get(email) or self.existing.get(email)
        if before is None:
            new = len(self.created)
            require_room("contacts", self.rules.max_contacts, self.contact_count + new)
            after = new_contact(change, self.first_key + new, next(self._ids), self.now)
            self.created[email] = after
            counts.created += 1
        elif not self.rules.update_existing:
            counts.skipped += 1
            return
        else:
            after = changed_contact(before, change, self.now, keeps_address=True)
            (self.created if email in self.created else self.updated)[email] = after
            if change.lowers_status and after.status == before.status:
                self.opted_out_again.append(after)
            if after is before:
                counts.unchanged += 1
                return
            counts.updated += 1
        if after.status != SUBSCRIBED and (before is None or before.status != after.status):
            counts.unsubscribed += 1

    def updates(self) -> list[ContactUpdate]:
        """Return the existing contacts that differ, before and after."""
        pairs = [(self.existing[email], contact) for email, contact in self.updated.items()]
        return [(before, after) for before, after in pairs if after is not before]
