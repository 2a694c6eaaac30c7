"""What an import of a file would do: the same rules, on contacts as they are, without a write.

A file may repeat an address, and the later row then meets what the earlier one would have written. So a dry
run remembers the contacts of the file (`FileMemory`), and its counts are those of the import.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from diglot.clock import Clock
from diglot.model.contacts import Contact, ContactChange
from diglot.model.imports import FileWarning, ImportCounts, ImportOptions, ImportProgress, RejectedRow
from diglot.service.contacts.contact_changes import new_contact
from diglot.service.contacts.import_batch import ImportBatch, ImportRules
from diglot.service.imports.contact_files import ByteSource, FileRow, OpenContactFile
from diglot.service.imports.file_memory import FileMemory
from diglot.storage import workspaces
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.workspaces import WorkspaceState

# Rejected rows that a command shows.
MOST_SHOWN: Final = 10


@dataclass(slots=True)
class DryRun:
    """What the rows of a file would do to the contacts of a workspace, so far.

    `uncertain_rows` have an address whose earlier row is forgotten: what they would change is not known.
    """

    engine: Engine
    workspace: int
    clock: Clock
    rules: ImportRules
    counts: ImportCounts = field(default_factory=ImportCounts)
    refused_values: dict[str, int] = field(default_factory=dict)
    uncertain_rows: int = 0
    _memory: FileMemory = field(default_factory=FileMemory)

    async def apply(self, rows: Sequence[FileRow]) -> list[RejectedRow]:
        """Add the next rows; return those that would be rejected, in order."""
        emails = list(dict.fromkeys(row.change.email for row in rows if row.change is not None))
        stored, contact_count = await self.engine.read(
            bind_workspace(self.workspace, partial(_load, emails=emails)), workspace=self.workspace
        )
        return await self.engine.run_off_loop(lambda: self._apply(rows, stored, contact_count))

    def _apply(
        self, rows: Sequence[FileRow], stored: dict[str, Contact], contact_count: int
    ) -> list[RejectedRow]:
        valid = [row for row in rows if row.change is not None]
        changes = [row.change for row in valid if row.change is not None]
        existing = self._recall([change.email for change in changes], stored)
        contact_count += self.counts.created
        batch = ImportBatch(self.rules, existing, self.clock(), 0, contact_count)
        batch.apply_changes(changes)
        self.counts.add(batch.counts)
        self._memory.remember(batch.created | batch.updated)
        return self._reject(rows, [valid[place].to_rejected(reason) for place, reason in batch.rejected])

    def _recall(self, emails: list[str], stored: dict[str, Contact]) -> dict[str, Contact]:
        """Return the contacts that the import would find, as earlier rows would have left them.

        One that an earlier row would create, and that is forgotten, has no more than its address.
        """
        forgotten = self._memory.list_forgotten(emails)
        if self.rules.update_existing:
            self.uncertain_rows += len(forgotten)
        blank = {email: _make_blank(email) for email in forgotten}
        return blank | stored | self._memory.find(emails)

    def _reject(self, rows: Sequence[FileRow], by_contacts: list[RejectedRow]) -> list[RejectedRow]:
        refused = [row for row in rows if row.change is None]
        self.counts.rows += len(refused)
        self.counts.refused += len(refused)
        count_refused_values(self.refused_values, refused)
        rejected = [row.to_rejected(row.reason) for row in refused] + by_contacts
        return sorted(rejected, key=lambda row: row.row)


@dataclass(slots=True)
class LocalDryRun:
    """A dry run of a local file, with what it has found; `rejected` are the first rejected rows."""

    source: ByteSource
    size: int
    dry_run: DryRun
    custom_fields: list[str] = field(default_factory=list)
    warnings: list[FileWarning] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)

    async def run(self, options: ImportOptions, open_file: OpenContactFile) -> None:
        """Read the file to its end; raise `InvalidInput` if it would be refused."""
        dry_run = self.dry_run
        state = await dry_run.engine.read(
            bind_workspace(dry_run.workspace, _load_state), workspace=dry_run.workspace
        )
        checked = open_file(options, state.zone, dry_run.clock())
        async for data, is_final in self._iterate_pieces():
            checked.feed(data, is_final=is_final)
            checked.check()
        self.custom_fields, self.warnings = checked.custom_fields, checked.warnings
        file = open_file(options, state.zone, dry_run.clock())
        async for data, is_final in self._iterate_pieces():
            file.feed(data, is_final=is_final)
            rejected = await dry_run.apply(list(file.read()))
            self.rejected += rejected[: MOST_SHOWN - len(self.rejected)]

    def to_progress(self) -> ImportProgress:
        """Return what was found, as a job has it."""
        found = self.dry_run
        return ImportProgress(
            *(True, found.counts.rows, self.size),
            custom_fields=self.custom_fields,
            warnings=self.warnings,
            refused_values=found.refused_values,
            uncertain_rows=found.uncertain_rows,
            counts=found.counts,
        )

    async def _iterate_pieces(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the bytes of the file in pieces, and whether a piece is the last one; the file may shrink."""
        offset, is_final = 0, False
        while not is_final:
            data = await self.source.read(offset)
            offset += len(data)
            is_final = not data or offset >= self.size
            yield data, is_final


def count_refused_values(counts: dict[str, int], rows: Sequence[FileRow]) -> None:
    """Add rejected rows to the numbers of rejected rows by column."""
    for row in rows:
        if row.column:
            counts[row.column] = counts.get(row.column, 0) + 1


def _make_blank(email: str) -> Contact:
    return new_contact(ContactChange({"email": email}), 0, "", 0)


async def _load(tenant: Tenant, emails: list[str]) -> tuple[dict[str, Contact], int]:
    stored = await queries.find_contacts_by_email(tenant, emails)
    return stored, (await workspaces.load_state(tenant)).contact_count


async def _load_state(tenant: Tenant) -> WorkspaceState:
    return await workspaces.load_state(tenant)
