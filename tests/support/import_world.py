"""A workspace into which tests import files, in small parts."""

import io
from dataclasses import dataclass
from functools import partial
from typing import Final

from diglot.api.imports.contact_file import open_contact_file
from diglot.model.contacts import Contact
from diglot.model.imports import ImportJob, ImportOptions
from diglot.model.pages import Window
from diglot.service.imports.local import LocalImports
from diglot.service.imports.run import ImportRun
from diglot.service.imports.sources import LocalFile
from diglot.service.parts import PartSize
from diglot.storage import workspaces
from diglot.storage.contacts import queries
from diglot.storage.imports import jobs
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace

NOW: Final = 1_772_366_400_000_000
PART: Final = 8
NO_OPTIONS: Final = ImportOptions()


class FixedSize(PartSize):
    """A size that does not depend on the speed of the machine."""

    def __init__(self) -> None:
        super().__init__(PART)

    def adapt(self, items: int, seconds: float, target: float = 0) -> None:
        assert 0 < items <= PART
        assert seconds > 0 < target


@dataclass
class World:
    """A workspace into which files are imported."""

    engine: Engine
    workspace: int

    @property
    def imports(self) -> LocalImports:
        """The imports of local files."""
        return LocalImports(self.engine, open_contact_file, lambda: NOW, max_contacts=0)

    async def begin(self, body: bytes, options: ImportOptions = NO_OPTIONS) -> ImportJob:
        """Return the job of a file."""
        return (await self.imports.find_or_begin(self.workspace, io.BytesIO(body), "a.csv", options))[0]

    def run(self, job: ImportJob, body: bytes) -> ImportRun:
        """Return a run of a job, as a new process makes it."""
        source = LocalFile(io.BytesIO(body))
        run = ImportRun(self.engine, lambda: NOW, self.workspace, job, source, open_contact_file, 0)
        run._size = FixedSize()
        return run

    async def contacts(self) -> list[Contact]:
        """Return all contacts, oldest first."""
        load = partial(queries.load_contact_page, window=Window(limit=1_000, offset=0))
        found = await self.engine.read(bind_workspace(self.workspace, load))
        state = await self.engine.read(bind_workspace(self.workspace, workspaces.load_state))
        assert state.contact_count == len(found)
        return list(reversed(found))

    async def stored(self, job: ImportJob) -> ImportJob:
        """Return a job as it is stored."""
        find = partial(jobs.find_by_number, number=job.number)
        found = await self.engine.read(bind_workspace(self.workspace, find))
        assert found is not None
        return found

    async def rejects(self, job: ImportJob) -> list[tuple[int, str, str]]:
        """Return the rejected rows of a job."""
        windows = [rows async for rows in self.imports.iterate_rejects(self.workspace, job)]
        return [(row.row, row.reason, row.email) for rows in windows for row in rows]


async def finish(run: ImportRun) -> ImportJob:
    """Run a job to its end."""
    while not run.is_ended:
        await run.run_step()
    return run.job
