"""Writes a whole workspace into an archive, and reads it back as an equal one.

An archive is one snapshot. It is read back in parts, each a transaction of its own, so that others are
served meanwhile. Until the last one the workspace has another name and refuses everything, as one whose
deletion has begun, so that an interrupted import leaves nothing that clients see; the next import of that
name deletes it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

from diglot.clock import Clock, system_clock
from diglot.errors import Conflict, InvalidInput, Misconfigured, NotFound
from diglot.model.workspaces import parse_time_zone
from diglot.service.access.workspace_removal import WorkspaceRemoval
from diglot.service.access.workspaces import check_name
from diglot.service.archives.archive_file import (
    BYTES_PER_PART,
    ROWS_PER_PART,
    ArchiveReader,
    ArchiveWriter,
    Manifest,
)
from diglot.storage import workspaces
from diglot.storage.archived_rows import (
    ARCHIVED,
    OF_WORKSPACE,
    ArchivedTable,
    complete_workspace,
    iterate_pages,
)
from diglot.storage.page_size import PageSize
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace

_UNFINISHED: Final = " (unfinished import)"
_PROFILE, _ROW = (one for one in ARCHIVED if one.table in OF_WORKSPACE)
_OTHERS: Final = [one for one in ARCHIVED if one.table not in OF_WORKSPACE]


@dataclass(frozen=True, slots=True)
class Archives:
    """The operator's calls on archives; `progress` gets the number of rows so far, and of all."""

    engine: Engine
    progress: Callable[[int, int], None]
    clock: Clock = system_clock

    async def write(self, name: str, file: BinaryIO) -> Manifest:
        """Write a workspace as it is in one snapshot into an empty file; raise `NotFound`."""
        return await self.engine.read(partial(self._write, name=name, file=file))

    async def _write(self, transaction: Transaction, name: str, file: BinaryIO) -> Manifest:
        workspace = await workspaces.find_by_name(transaction, name)
        if workspace is None or workspace.time_zone == workspaces.IN_DELETION:
            raise NotFound(f"workspace {name}")
        with ArchiveWriter(file) as archive:
            await bind_workspace(workspace.number, partial(self._write_tables, archive=archive))(transaction)
            return archive.write_manifest(name, self.clock())

    async def _write_tables(self, tenant: Tenant, archive: ArchiveWriter) -> None:
        total = sum([await table.count(tenant) for table in ARCHIVED])
        done = 0
        for table in ARCHIVED:
            size = PageSize(ROWS_PER_PART, BYTES_PER_PART)
            with archive.open_table(table) as writer:
                async for page in iterate_pages(tenant, table, size):
                    size.learn(len(page), writer.write(page))
                    done += len(page)
                    self.progress(done, total)

    async def read(self, file: BinaryIO, name: str | None) -> Manifest:
        """Create a workspace from an archive, under its own name or another one.

        Raise `Misconfigured` for an unusable archive, of which nothing is left, and `Conflict` for a name in
        use.
        """
        archive = ArchiveReader(file)
        name = archive.manifest.workspace if name is None else name
        check_name(name)
        unfinished = f"{name}{_UNFINISHED}"
        leftover = await self.engine.read(partial(_find_leftover, name=name, unfinished=unfinished))
        total = 2 * archive.manifest.rows
        for done in archive.verify():
            self.progress(done, total)
        _require_time_zones(archive)
        if leftover:
            await self._remove(unfinished)
        number = await self.engine.write(partial(_create, name=unfinished, now=self.clock()))
        try:
            await self._insert_tables(number, archive, total)
            await self._write_part(number, "segments", partial(_complete, name=name, archive=archive))
        except Misconfigured:
            await self._remove(unfinished)
            raise
        self.progress(total, total)
        return archive.manifest

    async def _remove(self, unfinished: str) -> None:
        await WorkspaceRemoval(self.engine, lambda *_: None).delete(unfinished)

    async def _insert_tables(self, number: int, archive: ArchiveReader, total: int) -> None:
        done = archive.manifest.rows
        for table in _OTHERS:
            for part in archive.iterate_parts(table):
                await self._insert_part(number, table, part)
                done += len(part)
                self.progress(done, total)

    async def _insert_part(self, number: int, table: ArchivedTable, part: Sequence[Sequence[Any]]) -> None:
        """Insert a part, then leave the database to others for as long as that took."""
        started = time.monotonic()
        await self._write_part(number, table.name, partial(table.insert, rows=part))
        await asyncio.sleep(time.monotonic() - started)

    async def _write_part(self, number: int, table: str, work: Callable[[Tenant], Awaitable[None]]) -> None:
        try:
            await self.engine.write(bind_workspace(number, work))
        except self.engine.backend.list_refusals() as error:
            reason = str(error).partition("\n")[0]
            message = f"the archive is damaged: {table}: the database refuses rows of it: {reason}"
            raise Misconfigured(message) from error


def _require_time_zones(archive: ArchiveReader) -> None:
    for table in (_PROFILE, _ROW):
        try:
            parse_time_zone(archive.read_only_row(table)["time_zone"])
        except InvalidInput as invalid:
            raise Misconfigured(f"the archive is damaged: {invalid.faults[0].message}") from invalid


async def _find_leftover(transaction: Transaction, name: str, unfinished: str) -> bool:
    """Tell whether an import of this name was interrupted; raise `Conflict` if a name is in use."""
    await _require_free(transaction, name)
    found = await workspaces.find_by_name(transaction, unfinished)
    if found is not None and found.time_zone != workspaces.IN_DELETION:
        raise Conflict("workspace", f"there is a workspace {unfinished}: rename it")
    return found is not None


async def _require_free(transaction: Transaction, name: str) -> None:
    if await workspaces.find_by_name(transaction, name) is not None:
        raise Conflict("workspace", f"there is a workspace {name} already: import it under another name")


async def _create(transaction: Transaction, name: str, now: int) -> int:
    return (await workspaces.create(transaction, name, workspaces.IN_DELETION, now)).number


async def _complete(tenant: Tenant, name: str, archive: ArchiveReader) -> None:
    await _require_free(tenant.transaction, name)
    for table in _OTHERS:
        if table.held:
            for part in archive.iterate_parts(table):
                await table.release(tenant, part)
    profile, row = archive.read_only_row(_PROFILE), archive.read_only_row(_ROW)
    del profile["password_hash"]
    await complete_workspace(tenant, name, profile, row)
