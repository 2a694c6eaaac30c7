"""Writes of many contacts, in parts: imports, and the same update or deletion for many ids."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from diglot.model.contacts import Contact, ContactChange, ImportResult
from diglot.service.contacts import contact_writes
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.contact_writes import ContactUpdate
from diglot.service.contacts.import_batch import ImportRules, import_batch
from diglot.service.parts import PartwiseWrite, Progress
from diglot.storage.contacts import queries
from diglot.storage.slices import compute_off_loop
from diglot.storage.write_unit import WriteUnit


class ImportProgress(Progress):
    """The rows of an import by outcome; `rejected` has the numbers of rejected rows, by reason."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    rejected: dict[str, list[int]] = msgspec.field(default_factory=dict)

    def to_result(self, changes: Sequence[ContactChange]) -> ImportResult:
        """Return the result of the import of these changes."""
        rejected = sorted((row, reason) for reason, rows in self.rejected.items() for row in rows)
        refusals = [f"{changes[row].email}: {reason}" for row, reason in rejected]
        return ImportResult(self.created, self.updated, self.skipped, refusals)


class IdsProgress(Progress):
    """The ids of a bulk write: the positions of those that no contact has, and how many contacts changed."""

    missing: list[int] = msgspec.field(default_factory=list)
    changed: int = 0

    def existing_among(self, ids: Sequence[str]) -> frozenset[str]:
        """Return the ids of the contacts that existed."""
        return frozenset(ids) - {ids[position] for position in self.missing}

    def note_missing(self, ids: Sequence[str], existing: Collection[str]) -> None:
        """Note which ids of a part no contact has."""
        self.missing += [n for n, id_ in enumerate(ids, self.next_item) if id_ not in existing]


@dataclass(frozen=True, slots=True)
class Import:
    """An import; the address identifies a contact."""

    changes: Sequence[ContactChange]
    rules: ImportRules

    def in_parts(self) -> PartwiseWrite[ImportProgress]:
        """Return the import as a write in parts."""
        return PartwiseWrite(len(self.changes), ImportProgress, self._write_part)

    async def _write_part(self, unit: WriteUnit, progress: ImportProgress, end: int) -> None:
        first = progress.next_item
        batch = await import_batch(unit, self.changes[first:end], self.rules)
        progress.created += batch.counts.created
        progress.updated += batch.counts.updated + batch.counts.unchanged
        progress.skipped += batch.counts.skipped
        for place, reason in batch.rejected:
            progress.rejected.setdefault(reason, []).append(first + place)


@dataclass(frozen=True, slots=True)
class BulkUpdate:
    """The same update of many contacts, by their UUIDs."""

    ids: Sequence[str]
    change: ContactChange

    def in_parts(self) -> PartwiseWrite[IdsProgress]:
        """Return the update as a write in parts."""
        return PartwiseWrite(len(self.ids), IdsProgress, self._write_part)

    async def _write_part(self, unit: WriteUnit, progress: IdsProgress, end: int) -> None:
        ids = self.ids[progress.next_item : end]
        stored = await _load_contacts(unit, ids)
        updates = await compute_off_loop(unit, len(ids), partial(self._updates, stored, unit.now))
        await contact_writes.update_contacts(unit, updates)
        progress.changed += len(updates)
        progress.note_missing(ids, {contact.id for contact in stored})

    def _updates(self, stored: Sequence[Contact], now: int) -> list[ContactUpdate]:
        pairs = [(contact, changed_contact(contact, self.change, now)) for contact in stored]
        return [(before, after) for before, after in pairs if after is not before]


@dataclass(frozen=True, slots=True)
class BulkDeletion:
    """The deletion of many contacts, by their UUIDs."""

    ids: Sequence[str]

    def in_parts(self) -> PartwiseWrite[IdsProgress]:
        """Return the deletion as a write in parts."""
        return PartwiseWrite(len(self.ids), IdsProgress, self._write_part)

    async def _write_part(self, unit: WriteUnit, progress: IdsProgress, end: int) -> None:
        ids = self.ids[progress.next_item : end]
        stored = await _load_contacts(unit, ids)
        if stored:
            await contact_writes.delete_contacts(unit, stored)
        progress.note_missing(ids, {contact.id for contact in stored})


async def _load_contacts(unit: WriteUnit, ids: Sequence[str]) -> list[Contact]:
    contacts = await queries.find_contacts_by_id(unit, ids)
    return sorted(contacts.values(), key=lambda contact: contact.pk)
