"""What an import of a file would do: the same rules, on contacts as they are, without a write."""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from diglot.clock import Clock
from diglot.model.contacts import Contact
from diglot.model.imports import ImportCounts, ImportOptions, RejectedRow
from diglot.service.contacts.import_batch import ImportBatch, ImportRules
from diglot.service.imports.contact_files import ByteSource, ContactFile, FileRow, OpenContactFile
from diglot.storage import workspaces
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.workspaces import WorkspaceState

# Rejected rows that are shown; the import itself keeps all of them.
MOST_SHOWN: Final = 10
# Addresses of new contacts that are remembered, because a file may repeat them: about 100 bytes each.
_MOST_NEW: Final = 1_000_000


@dataclass(slots=True)
class DryRun:
    """A dry run of a local file, with what it has found."""

    engine: Engine
    workspace: int
    source: ByteSource
    size: int
    open_file: OpenContactFile
    max_contacts: int
    counts: ImportCounts = field(default_factory=ImportCounts)
    custom_fields: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    _new: set[str] = field(default_factory=set)

    async def run(self, options: ImportOptions, clock: Clock) -> None:
        """Read the file to its end; raise `InvalidInput` if it would be refused."""
        state = await self.engine.read(bind_workspace(self.workspace, _load_state), workspace=self.workspace)
        await self._check(self.open_file(options, state.zone, clock()))
        file = self.open_file(options, state.zone, clock())
        rules = ImportRules(options.update_existing, self.max_contacts)
        offset = 0
        while offset < self.size or not offset:
            data = await self.source.read(offset)
            offset += len(data)
            file.feed(data, is_final=offset >= self.size)
            await self._apply(list(file.read()), rules, state, clock())
            if not data:
                return

    async def _check(self, file: ContactFile) -> None:
        offset = 0
        while True:
            data = await self.source.read(offset)
            offset += len(data)
            file.feed(data, is_final=offset >= self.size)
            file.check()
            if offset >= self.size:
                self.custom_fields, self.warnings = file.custom_fields, file.warnings
                return

    async def _apply(self, read: list[FileRow], rules: ImportRules, state: WorkspaceState, now: int) -> None:
        rows = [row for row in read if row.change is not None]
        changes = [row.change for row in rows if row.change is not None]
        emails = list(dict.fromkeys(change.email for change in changes))
        find = partial(queries.find_contacts_by_email, emails=emails)
        existing: dict[str, Contact] = await self.engine.read(
            bind_workspace(self.workspace, find), workspace=self.workspace
        )
        batch = ImportBatch(rules, existing, now, 0, state.contact_count + len(self._new))
        batch.apply_changes(changes)
        self.counts.add(batch.counts)
        repeated = self._new & batch.created.keys()
        self.counts.created -= len(repeated)
        self.counts.updated += len(repeated)
        if len(self._new) < _MOST_NEW:
            self._new.update(batch.created)
        refused = [row.to_rejected(row.reason) for row in read if row.change is None]
        self.counts.rows += len(refused)
        self.counts.refused += len(refused)
        refused += [rows[place].to_rejected(reason) for place, reason in batch.rejected]
        self.rejected += refused[: MOST_SHOWN - len(self.rejected)]


async def _load_state(tenant: Tenant) -> WorkspaceState:
    return await workspaces.load_state(tenant)
