"""Import jobs: a file is uploaded in chunks, then a process imports it; its progress and rejects are read."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import msgspec

from diglot.clock import Clock, system_clock
from diglot.errors import Conflict, ContentTooLarge, NotFound
from diglot.model.ids import new_id
from diglot.model.imports import (
    ENDED,
    READY,
    ImportJob,
    ImportOptions,
    ImportProgress,
    ImportStatus,
    RejectedRow,
)
from diglot.model.pages import Window
from diglot.model.workspaces import Caller
from diglot.service.unit_of_work import point_reads, reads, writes
from diglot.storage.imports import chunks, jobs, rejects
from diglot.storage.imports.chunks import CHUNK_BYTES
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

MEBIBYTE: Final = 1024 * 1024
DEFAULT_MAX_MEBIBYTES: Final = 2_048


class _StoppedError(Exception):
    """A job was cancelled while its file was sent."""


@dataclass(frozen=True, slots=True)
class Imports:
    """The use cases of import jobs; `max_bytes` is the size of the largest file.

    `begun` is set when there is work, so that this process need not wait until it looks for some.
    """

    engine: Engine
    clock: Clock = system_clock
    max_bytes: int = DEFAULT_MAX_MEBIBYTES * MEBIBYTE
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def upload(
        self, caller: Caller, name: str, options: ImportOptions, content: AsyncIterator[bytes]
    ) -> ImportJob:
        """Store a file and return the job that will import it; nothing is left if the upload fails.

        A reviewed job is ready then, and waits for `set_options` and `begin`. One that was cancelled while
        its file was sent stays cancelled.

        Raise `ContentTooLarge`, or what reading the content raises.
        """
        job = await self._begin(caller, name, options)
        try:
            size = await self._store_chunks(caller, job, content)
            job = await self._finish(caller, job, size)
        except _StoppedError:
            return await self.get(caller, job.id)
        except BaseException:
            await self._discard(caller, job)
            raise
        self.begun.set()
        return job

    @reads
    async def list_page(self, tenant: Tenant, window: Window) -> tuple[list[ImportJob], int]:
        """Return a window of the jobs, newest first, and the number of all."""
        return await jobs.load_page(tenant, window)

    @point_reads
    async def get(self, tenant: Tenant, id_: str | None) -> ImportJob:
        """Return a job by its UUID; raise `NotFound`."""
        return await _require_job(tenant, id_)

    @reads
    async def read_head(self, tenant: Tenant, id_: str | None) -> tuple[ImportJob, bytes]:
        """Return a job and the first bytes of its file, at most a chunk; raise `NotFound`."""
        job = await _require_job(tenant, id_)
        return job, await chunks.load_chunk(tenant, job.number, 0)

    async def set_options(
        self, caller: Caller, id_: str | None, options: ImportOptions, *, tries: bool = False
    ) -> ImportJob:
        """Say how the file of a ready job is read; `tries` begins its dry run.

        What an earlier dry run found is forgotten, unless nothing changes. Raise `NotFound`, or `Conflict`
        for a job that is not ready.
        """
        options = msgspec.structs.replace(options, is_reviewed=True, dry_run=True)
        job = await self._set_options(caller, id_, options, tries=tries)
        if tries:
            self.begun.set()
        return job

    @writes
    async def _set_options(
        self, unit: WriteUnit, id_: str | None, options: ImportOptions, *, tries: bool
    ) -> ImportJob:
        job = await _require_ready(unit, id_)
        if options == job.options and not tries:
            return job
        return await _restart(unit, job, options, is_waiting=tries)

    async def begin(self, caller: Caller, id_: str | None, seen_at: int) -> ImportJob:
        """Import the file of a ready job as its dry run has shown.

        `seen_at` is when the job that the person saw was updated. Raise `NotFound`, or `Conflict` for a job
        that is not ready, not tried with its options, or no longer as it was.
        """
        job = await self._begin_tried(caller, id_, seen_at)
        self.begun.set()
        return job

    @writes
    async def _begin_tried(self, unit: WriteUnit, id_: str | None, seen_at: int) -> ImportJob:
        job = await _require_ready(unit, id_)
        if not job.is_tried or job.updated_at != seen_at:
            raise Conflict("import", "Look at the import again: it was not tried, or it has changed")
        options = msgspec.structs.replace(job.options, dry_run=False)
        return await _restart(unit, job, options, is_waiting=True)

    @reads
    async def list_rejects(
        self, tenant: Tenant, id_: str | None, most: int
    ) -> tuple[ImportJob, list[RejectedRow]]:
        """Return a job and its first rejected rows; raise `NotFound`."""
        job = await _require_job(tenant, id_)
        return job, await rejects.load_after(tenant, job.number, 0, most)

    @writes
    async def cancel(self, unit: WriteUnit, id_: str | None) -> ImportJob:
        """Stop a job after the part in progress; contacts that it has imported stay.

        Raise `NotFound`, or `Conflict` for a job that has ended otherwise.
        """
        job = await _require_job(unit, id_)
        if job.status in ENDED:
            if job.status == "cancelled":
                return job
            raise Conflict("import", f"The import is {job.status} already")
        cancelled = replace(job, status="cancelled", updated_at=unit.now)
        await jobs.update_job(unit, cancelled)
        await chunks.delete_all(unit, job.number)
        return cancelled

    async def iterate_rejects(self, caller: Caller, job: ImportJob) -> AsyncIterator[list[RejectedRow]]:
        """Yield the rejected rows of a job in order, in windows."""
        after = 0
        while rows := await self._load_rejects(caller, job.number, after):
            yield rows
            after = rows[-1].row

    @reads
    async def _load_rejects(self, tenant: Tenant, job: int, after: int) -> list[RejectedRow]:
        return await rejects.load_after(tenant, job, after)

    @writes
    async def _begin(self, unit: WriteUnit, name: str, options: ImportOptions) -> ImportJob:
        number = await jobs.next_number(unit)
        job = ImportJob(
            *(number, new_id(), "uploading", True, name, 0, ""),
            *(options, ImportProgress(), None, unit.now, unit.now),
        )
        await jobs.insert_job(unit, job)
        return job

    async def _store_chunks(self, caller: Caller, job: ImportJob, content: AsyncIterator[bytes]) -> int:
        waiting, number, size = bytearray(), 0, 0
        async for data in content:
            waiting += data
            size += len(data)
            if size > self.max_bytes:
                raise ContentTooLarge(self.max_bytes)
            while len(waiting) >= CHUNK_BYTES:
                await self._store_chunk(caller, job, number, bytes(waiting[:CHUNK_BYTES]))
                del waiting[:CHUNK_BYTES]
                number += 1
        await self._store_chunk(caller, job, number, bytes(waiting))
        return size

    async def _store_chunk(self, caller: Caller, job: ImportJob, number: int, content: bytes) -> None:
        compressed = await self.engine.run_off_loop(partial(chunks.compress, content))
        await self._insert_chunk(caller, job, number, compressed)

    @writes
    async def _insert_chunk(self, unit: WriteUnit, job: ImportJob, number: int, compressed: bytes) -> None:
        await _require_uploading(unit, job)
        await chunks.insert_chunk(unit, job.number, number, compressed)

    @writes
    async def _finish(self, unit: WriteUnit, job: ImportJob, size: int) -> ImportJob:
        await _require_uploading(unit, job)
        status: ImportStatus = READY if job.options.is_reviewed else "waiting"
        stored = replace(job, status=status, size=size, updated_at=unit.now)
        await jobs.update_job(unit, stored)
        return stored

    @writes
    async def _discard(self, unit: WriteUnit, job: ImportJob) -> None:
        await jobs.delete_job(unit, job.number)


async def _require_uploading(tenant: Tenant, job: ImportJob) -> None:
    stored = await jobs.find_by_number(tenant, job.number)
    if stored is None or stored.status != "uploading":
        raise _StoppedError


async def _require_job(tenant: Tenant, id_: str | None) -> ImportJob:
    job = None if id_ is None else await jobs.find_by_id(tenant, id_)
    if job is None:
        raise NotFound("import")
    return job


async def _require_ready(tenant: Tenant, id_: str | None) -> ImportJob:
    job = await _require_job(tenant, id_)
    if job.status != READY:
        raise Conflict("import", f"The import is {job.status}")
    return job


async def _restart(unit: WriteUnit, job: ImportJob, options: ImportOptions, *, is_waiting: bool) -> ImportJob:
    """Store a job with other options, as if nothing had been read yet."""
    status: ImportStatus = "waiting" if is_waiting else READY
    restarted = replace(
        job, status=status, options=options, progress=ImportProgress(), error=None, updated_at=unit.now
    )
    await rejects.delete_of_job(unit, job.number)
    await jobs.update_options(unit, restarted)
    await jobs.update_job(unit, restarted)
    return restarted
