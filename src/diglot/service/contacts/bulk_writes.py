"""Writes of many contacts, in parts: imports, and the same update or deletion for many ids."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from diglot.errors import InvalidInput, LimitReached
from diglot.model.contacts import Contact, ContactChange, ImportResult
from diglot.service.contacts import contact_writes
from diglot.service.contacts.contact_changes import changed_contact, new_contact
from diglot.service.contacts.contact_writes import ContactUpdate
from diglot.service.limits import require_room
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
    """An import; the address identifies a contact.

    A workspace may have `max_contacts`, 0 for any number: a row that would create one more is rejected.
    """

    changes: Sequence[ContactChange]
    update_existing: bool
    max_contacts: int

    def in_parts(self) -> PartwiseWrite[ImportProgress]:
        """Return the import as a write in parts."""
        return PartwiseWrite(len(self.changes), ImportProgress, self._write_part)

    async def _write_part(self, unit: WriteUnit, progress: ImportProgress, end: int) -> None:
        changes = self.changes[progress.next_item : end]
        emails = list(dict.fromkeys(change.email for change in changes))
        existing = await queries.find_contacts_by_email(unit, emails)
        part = _ImportPart(self, unit, existing, progress)
        await compute_off_loop(unit, len(changes), partial(part.apply_changes, changes))
        await contact_writes.insert_contacts(unit, list(part.created.values()))
        await contact_writes.update_contacts(unit, part.updates())


class _ImportPart:
    """A part of an import in progress: existing, new and updated contacts by address."""

    def __init__(
        self, work: Import, unit: WriteUnit, existing: dict[str, Contact], progress: ImportProgress
    ) -> None:
        self.work = work
        self.unit = unit
        self.existing = existing
        self.created: dict[str, Contact] = {}
        self.updated: dict[str, Contact] = {}
        self.progress = progress

    def apply_changes(self, changes: Sequence[ContactChange]) -> None:
        """Apply the rows of the part; every row is counted, even with a repeated address."""
        for row, change in enumerate(changes, self.progress.next_item):
            try:
                self._apply_change(change)
            except InvalidInput as invalid:
                self._reject(row, invalid.faults[0].message)
            except LimitReached as reached:
                self._reject(row, str(reached))

    def _reject(self, row: int, reason: str) -> None:
        self.progress.rejected.setdefault(reason, []).append(row)

    def _apply_change(self, change: ContactChange) -> None:
        email = change.email
        contact = self.created.get(email) or self.updated.get(email) or self.existing.get(email)
        if contact is None:
            count = self.unit.row.contact_count + len(self.created)
            require_room("contacts", self.work.max_contacts, count)
            self.created[email] = new_contact(change, self.unit.take_keys("pk"), self.unit.now)
            self.progress.created += 1
        elif not self.work.update_existing:
            self.progress.skipped += 1
        else:
            changed = self.created if email in self.created else self.updated
            changed[email] = changed_contact(contact, change.without_address(), self.unit.now)
            self.progress.updated += 1

    def updates(self) -> list[ContactUpdate]:
        """Return the existing contacts that differ, before and after."""
        pairs = [(self.existing[email], contact) for email, contact in self.updated.items()]
        return [(before, after) for before, after in pairs if after is not before]


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
