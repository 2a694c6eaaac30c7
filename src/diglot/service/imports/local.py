"""Imports of files by a command: the job of a file, which the same command continues after it was stopped."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final

import msgspec

from diglot.clock import Clock, system_clock
from diglot.errors import NotFound
from diglot.model.ids import new_id
from diglot.model.imports import ACTIVE, ImportJob, ImportOptions, ImportProgress, RejectedRow
from diglot.service.contacts.import_batch import ImportRules
from diglot.service.imports.contact_files import OpenContactFile
from diglot.service.imports.dry_run import DryRun, LocalDryRun
from diglot.service.imports.run import ImportRun, StaleError
from diglot.service.imports.sources import LocalFile
from diglot.storage import workspaces
from diglot.storage.imports import jobs, rejects
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import WriteUnit, lock_workspace

_HEAD_BYTES: Final = 1024 * 1024
ShowProgress = Callable[[ImportRun], None]


@dataclass(frozen=True, slots=True)
class LocalImports:
    """Imports local files into a workspace; `name` is that of the file."""

    engine: Engine
    open_file: OpenContactFile
    clock: Clock = system_clock
    max_contacts: int = 0

    async def find_workspace(self, name: str) -> int:
        """Return the number of a workspace; raise `NotFound`."""
        return await self.engine.read(partial(_find_workspace, name=name))

    async def find_or_begin(
        self, workspace: int, file: BinaryIO, name: str, options: ImportOptions
    ) -> tuple[ImportJob, bool]:
        """Return the job of a file with these options, and whether it continues one that was stopped."""
        digest, size = _identify(file, options)

        async def find(unit: WriteUnit) -> tuple[ImportJob, bool]:
            found = await jobs.find_by_digest(unit, digest)
            if found is not None and found.status in ACTIVE:
                return found, True
            number = await jobs.next_number(unit)
            job = ImportJob(
                *(number, new_id(), "waiting", False, name, size, digest),
                *(options, ImportProgress(), None, unit.now, unit.now),
            )
            await jobs.insert_job(unit, job)
            return job, False

        return await self.engine.write(lock_workspace(workspace, self.clock, find), workspace=workspace)

    async def run(
        self,
        workspace: int,
        job: ImportJob,
        file: BinaryIO,
        show: ShowProgress,
        should_stop: Callable[[], bool],
    ) -> ImportJob:
        """Import a file until it is done or `should_stop`; return the job as it is then."""
        run = self._make_run(workspace, job, file)
        while not run.is_ended and not should_stop():
            try:
                await run.run_step()
            except StaleError:
                run = self._make_run(workspace, await self._reload(workspace, job), file)
            show(run)
        return run.job

    async def dry_run(self, workspace: int, file: BinaryIO, options: ImportOptions) -> LocalDryRun:
        """Return what an import of a file would do; nothing is written."""
        _, size = _identify(file, options)
        rules = ImportRules(options.update_existing, self.max_contacts)
        run = LocalDryRun(LocalFile(file), size, DryRun(self.engine, workspace, self.clock, rules))
        await run.run(options, self.open_file)
        return run

    async def iterate_rejects(self, workspace: int, job: ImportJob) -> AsyncIterator[list[RejectedRow]]:
        """Yield the rejected rows of a job in order, in windows."""
        after = 0
        while rows := await self.engine.read(
            bind_workspace(workspace, partial(rejects.load_after, job=job.number, row=after))
        ):
            yield rows
            after = rows[-1].row

    async def _reload(self, workspace: int, job: ImportJob) -> ImportJob:
        async def find(tenant: Tenant) -> ImportJob:
            found = await jobs.find_by_number(tenant, job.number)
            if found is None:
                raise NotFound("import")
            return found

        return await self.engine.read(bind_workspace(workspace, find))

    def _make_run(self, workspace: int, job: ImportJob, file: BinaryIO) -> ImportRun:
        source = LocalFile(file)
        return ImportRun(self.engine, self.clock, workspace, job, source, self.open_file, self.max_contacts)


def _identify(file: BinaryIO, options: ImportOptions) -> tuple[str, int]:
    """Return a digest of the options and the beginning of a file, and its size in bytes."""
    size = file.seek(0, 2)
    file.seek(0)
    digest = hashlib.sha256(msgspec.json.encode([options, size]))
    digest.update(file.read(_HEAD_BYTES))
    return digest.hexdigest(), size


async def _find_workspace(transaction: Transaction, name: str) -> int:
    workspace = await workspaces.find_by_name(transaction, name)
    if workspace is None:
        raise NotFound(f"workspace {name}")
    return workspace.number
