"""Runs an import job: checks the whole file, then imports it in parts.

Each part is a write unit, which also stores how far the job is, so a job that stops at any point continues
after its last part. Rows are read and checked before the lock is taken. Two processes may run one job: a part
that does not begin where the stored progress ends writes nothing.

A dry run is read to its end in the same way and writes no contact. What earlier rows would leave is only in
the memory of its process, so one that is interrupted begins anew.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.clock import Clock
from diglot.errors import InvalidInput, MalformedRequest
from diglot.membership.index_ahead import index_ahead
from diglot.model.contacts import ContactChange
from diglot.model.imports import (
    ACTIVE,
    ENDED,
    READY,
    ImportCounts,
    ImportJob,
    ImportProgress,
    ImportStatus,
    RejectedRow,
)
from diglot.service.contacts.import_batch import ImportRules, import_batch
from diglot.service.imports.contact_files import ByteSource, ContactFile, FileRow, OpenContactFile
from diglot.service.imports.dry_run import DryRun, count_refused_values
from diglot.service.parts import PartSize, seconds_for
from diglot.storage import workspaces
from diglot.storage.imports import chunks, jobs, rejects
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import MOVES_MEMBERS, WriteUnit, lock_workspace

# Faults of a file that a job shows; the others are of the same kind.
_MOST_FAULTS: Final = 20
_CHECK_SECONDS: Final = 0.5


class StaleError(Exception):
    """Another process has worked on the job, or it was cancelled: read it again."""


@dataclass(slots=True)
class ImportRun:
    """A job in a process; it holds the rows that were read and not yet imported."""

    engine: Engine
    clock: Clock
    workspace: int
    job: ImportJob
    source: ByteSource
    open_file: OpenContactFile
    max_contacts: int
    _zone: ZoneInfo | None = None
    _file: ContactFile | None = None
    # The bytes that the file was fed with end here.
    _fed: int = 0
    _is_final: bool = False
    _checked_rows: int = 0
    _rows: deque[FileRow] = field(default_factory=deque)
    _size: PartSize = field(default_factory=PartSize)
    _dry_run: DryRun | None = None

    @property
    def done_bytes(self) -> int:
        """The bytes that are checked, or imported if all are checked."""
        progress = self.job.progress
        return progress.offset if progress.is_checked else self._fed

    @property
    def is_ended(self) -> bool:
        """Whether the job is done, cancelled or failed."""
        return self.job.status not in ACTIVE

    async def run_step(self) -> None:
        """Do the next part of the job; raise `StaleError` if it is no longer as it was."""
        try:
            if not self.job.progress.is_checked:
                await self._check()
            elif self.job.options.dry_run:
                await self._try_rows()
            else:
                await self._import_part()
        except InvalidInput as invalid:
            faults = [f"{'.'.join(map(str, one.path))}: {one.message}" for one in invalid.faults]
            error = "; ".join(one.removeprefix(": ") for one in faults[:_MOST_FAULTS])
            await self._store(replace(self.job, status=self._find_end("failed"), error=error))

    def _find_end(self, otherwise: ImportStatus) -> ImportStatus:
        """Return the last status; what follows the dry run of a reviewed job, a person decides."""
        options = self.job.options
        return READY if options.dry_run and options.is_reviewed else otherwise

    async def _check(self) -> None:
        """Check the file for a while; at its end note how many rows it has."""
        if self.job.status == "waiting":
            await self._store(replace(self.job, status="running"))
        file, until = await self._open(), time.monotonic() + _CHECK_SECONDS
        is_over = False
        while not self._is_final and not is_over:
            await self._feed(file)
            self._checked_rows += await self.engine.run_off_loop(file.check)
            is_over = time.monotonic() >= until
        if not self._is_final:
            await self._require_current()
            return
        progress = ImportProgress(
            is_checked=True,
            total_rows=self._checked_rows,
            header=file.header,
            custom_fields=file.custom_fields,
            warnings=file.warnings,
        )
        self._file = None
        await self._store(replace(self.job, progress=progress))

    async def _try_rows(self) -> None:
        """Find out for a while what the next rows of a dry run would do."""
        dry_run = self._dry_run or await self._begin_dry_run()
        file, until = await self._open(), time.monotonic() + _CHECK_SECONDS
        rejected: list[RejectedRow] = []
        is_over = False
        while not self._is_final and not is_over:
            await self._feed(file)
            rows = await self.engine.run_off_loop(lambda: list(file.read()))
            rejected += await dry_run.apply(rows)
            is_over = time.monotonic() >= until
        progress = msgspec.structs.replace(
            self.job.progress,
            offset=self._fed,
            counts=msgspec.structs.replace(dry_run.counts),
            refused_values=dict(dry_run.refused_values),
            uncertain_rows=dry_run.uncertain_rows,
        )
        status = self._find_end("done") if self._is_final else "running"
        await self._store(replace(self.job, status=status, progress=progress), rejected)

    async def _begin_dry_run(self) -> DryRun:
        """Forget what another process has found out, and begin with the first row."""
        progress = msgspec.structs.replace(
            self.job.progress, offset=0, counts=ImportCounts(), refused_values={}, uncertain_rows=0
        )
        await self._store(replace(self.job, progress=progress), begins_anew=True)
        rules = ImportRules(self.job.options.update_existing, self.max_contacts)
        self._file, self._dry_run = None, DryRun(self.engine, self.workspace, self.clock, rules)
        return self._dry_run

    async def _import_part(self) -> None:
        file = await self._open()
        wanted = self._size.items
        while len(self._rows) < wanted and not self._is_final:
            await self._feed(file)
            self._rows.extend(await self.engine.run_off_loop(lambda: list(file.read())))
        part = [self._rows[place] for place in range(min(wanted, len(self._rows)))]
        work = lock_workspace(
            self.workspace, self.clock, partial(self._write_part, file, part), MOVES_MEMBERS
        )
        await index_ahead(self.engine, self.workspace)
        self.job = await self.engine.write(work, workspace=self.workspace)
        while self._rows and self._rows[0].offset <= self.job.progress.offset:
            self._rows.popleft()

    async def _write_part(self, file: ContactFile, part: Sequence[FileRow], unit: WriteUnit) -> ImportJob:
        began = time.perf_counter()
        await self._require_same(unit)
        part = part[: self._size.begin(unit.row.segments_version)]
        progress = msgspec.convert(msgspec.to_builtins(self.job.progress), ImportProgress)
        if part:
            unit.share = len(part) / max(progress.total_rows, 1)
            await self._write_rows(unit, part, progress)
            progress.state, progress.offset = file.state_after(part[-1]), part[-1].offset
        is_done = self._is_final and len(part) == len(self._rows)
        status: ImportStatus = "done" if is_done else "running"
        done = replace(self.job, status=status, progress=progress, updated_at=unit.now)
        if done.is_upload and is_done:
            await chunks.delete_all(unit, done.number)
        elif done.is_upload:
            await chunks.delete_before(unit, done.number, progress.offset)
        await jobs.update_job(unit, done)
        await unit.flush()
        await unit.transaction.send_writes()
        if part:
            self._size.adapt(len(part), time.perf_counter() - began, seconds_for(unit))
        return done

    async def _write_rows(self, unit: WriteUnit, part: Sequence[FileRow], progress: ImportProgress) -> None:
        rows = [row for row in part if row.change is not None]
        rules = ImportRules(self.job.options.update_existing, self.max_contacts)
        batch = await import_batch(unit, list(_iterate_changes(rows)), rules)
        progress.counts.add(batch.counts)
        refused = [row.to_rejected(row.reason) for row in part if row.change is None]
        progress.counts.rows += len(refused)
        progress.counts.refused += len(refused)
        count_refused_values(progress.refused_values, part)
        refused += [rows[place].to_rejected(reason) for place, reason in batch.rejected]
        await rejects.insert_rows(unit, self.job.number, sorted(refused, key=lambda row: row.row))

    async def _open(self) -> ContactFile:
        """Return the reader of the file, at the stored position."""
        if self._file is None:
            self._zone = await self.engine.read(
                bind_workspace(self.workspace, _load_zone), workspace=self.workspace
            )
            progress = self.job.progress
            self._file = self.open_file(self.job.options, self._zone, self.clock(), progress.state)
            self._fed, self._is_final, self._checked_rows = progress.offset, False, 0
            self._rows.clear()
        return self._file

    async def _feed(self, file: ContactFile) -> None:
        data = await self.source.read(self._fed)
        if not data and self._fed < self.job.size:
            # The bytes of a cancelled job are deleted; a local file may be cut short.
            await self._require_current()
            raise MalformedRequest("The file ended before its end")
        self._fed += len(data)
        self._is_final = self._fed >= self.job.size
        file.feed(data, is_final=self._is_final)

    async def _store(
        self, job: ImportJob, rejected: Sequence[RejectedRow] = (), *, begins_anew: bool = False
    ) -> None:
        """Store a job that no row was imported for, and rows that a dry run rejects."""

        async def store(unit: WriteUnit) -> ImportJob:
            await self._require_same(unit)
            stored = replace(job, updated_at=unit.now)
            if begins_anew:
                await rejects.delete_of_job(unit, stored.number)
            await rejects.insert_rows(unit, stored.number, rejected)
            if stored.status in ENDED and stored.is_upload:
                await chunks.delete_all(unit, stored.number)
            await jobs.update_job(unit, stored)
            return stored

        work = lock_workspace(self.workspace, self.clock, store)
        self.job = await self.engine.write(work, workspace=self.workspace)

    async def _require_current(self) -> None:
        await self.engine.read(bind_workspace(self.workspace, self._require_same), workspace=self.workspace)

    async def _require_same(self, tenant: Tenant) -> None:
        stored = await jobs.find_by_number(tenant, self.job.number)
        mine = self.job.progress
        if (
            stored is None
            or stored.status not in ACTIVE
            or stored.options != self.job.options
            or (stored.progress.is_checked, stored.progress.offset) != (mine.is_checked, mine.offset)
        ):
            raise StaleError


async def _load_zone(tenant: Tenant) -> ZoneInfo:
    return (await workspaces.load_state(tenant)).zone


def _iterate_changes(rows: Sequence[FileRow]) -> Iterator[ContactChange]:
    for row in rows:
        if row.change is not None:
            yield row.change
