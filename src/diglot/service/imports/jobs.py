"""Import jobs: a file is uploaded in chunks, then a process imports it; its progress and rejects are read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.errors import Conflict, ContentTooLarge, NotFound
from diglot.model.ids import new_id
from diglot.model.imports import ENDED, ImportJob, ImportOptions, ImportProgress, RejectedRow
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


@dataclass(frozen=True, slots=True)
class Imports:
    """The use cases of import jobs; `max_bytes` is the size of the largest file."""

    engine: Engine
    clock: Clock = system_clock
    max_bytes: int = DEFAULT_MAX_MEBIBYTES * MEBIBYTE

    async def upload(
        self, caller: Caller, name: str, options: ImportOptions, content: AsyncIterator[bytes]
    ) -> ImportJob:
        """Store a file and return the job that will import it; nothing is left if the upload fails.

        Raise `ContentTooLarge`, or what reading the content raises.
        """
        job = await self._begin(caller, name, options)
        try:
            size = await self._store_chunks(caller, job, content)
            return await self._finish(caller, job, size)
        except BaseException:
            await self._discard(caller, job)
            raise

    @reads
    async def list_page(self, tenant: Tenant, window: Window) -> tuple[list[ImportJob], int]:
        """Return a window of the jobs, newest first, and the number of all."""
        return await jobs.load_page(tenant, window)

    @point_reads
    async def get(self, tenant: Tenant, id_: str | None) -> ImportJob:
        """Return a job by its UUID; raise `NotFound`."""
        return await _require_job(tenant, id_)

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
                await self._store_chunk(caller, job.number, number, bytes(waiting[:CHUNK_BYTES]))
                del waiting[:CHUNK_BYTES]
                number += 1
        await self._store_chunk(caller, job.number, number, bytes(waiting))
        return size

    async def _store_chunk(self, caller: Caller, job: int, number: int, content: bytes) -> None:
        compressed = await self.engine.run_off_loop(partial(chunks.compress, content))
        await self._insert_chunk(caller, job, number, compressed)

    @writes
    async def _insert_chunk(self, unit: WriteUnit, job: int, number: int, compressed: bytes) -> None:
        await chunks.insert_chunk(unit, job, number, compressed)

    @writes
    async def _finish(self, unit: WriteUnit, job: ImportJob, size: int) -> ImportJob:
        waiting = replace(job, status="waiting", size=size, updated_at=unit.now)
        await jobs.update_job(unit, waiting)
        return waiting

    @writes
    async def _discard(self, unit: WriteUnit, job: ImportJob) -> None:
        await jobs.delete_job(unit, job.number)


async def _require_job(tenant: Tenant, id_: str | None) -> ImportJob:
    job = None if id_ is None else await jobs.find_by_id(tenant, id_)
    if job is None:
        raise NotFound("import")
    return job
