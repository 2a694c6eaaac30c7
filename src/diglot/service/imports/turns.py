"""The uploaded jobs that a process works on: each gets a turn of a second, then the next one."""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from diglot.clock import Clock
from diglot.model.imports import ACTIVE
from diglot.service.imports.contact_files import OpenContactFile
from diglot.service.imports.run import ImportRun, StaleError
from diglot.service.imports.sources import UploadedFile
from diglot.storage.imports import jobs
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace

TURN_SECONDS: Final = 1.0
# A job keeps a few megabytes of rows that were read; more jobs read them again.
_MOST_RUNS: Final = 8
JobKey = tuple[int, int]


@dataclass(slots=True)
class ImportTurns:
    """The jobs in progress, by workspace and number."""

    engine: Engine
    clock: Clock
    open_file: OpenContactFile
    max_contacts: int
    _runs: dict[JobKey, ImportRun] = field(default_factory=dict)

    async def run_turn(self, workspace: int, number: int) -> None:
        """Work on a job for a turn, or until it has ended."""
        key = (workspace, number)
        run = self._runs.pop(key, None) or await self._load(key)
        until, is_over = time.monotonic() + TURN_SECONDS, False
        while run is not None and not run.is_ended and not is_over:
            try:
                await run.run_step()
            except StaleError:
                run = await self._load(key)
            is_over = time.monotonic() >= until
        if run is not None and not run.is_ended:
            self._runs[key] = run
            while len(self._runs) > _MOST_RUNS:
                del self._runs[next(iter(self._runs))]

    async def _load(self, key: JobKey) -> ImportRun | None:
        """Return a run of a job as it is stored; None if it has ended."""
        workspace, number = key
        find = partial(jobs.find_by_number, number=number)
        job = await self.engine.read(bind_workspace(workspace, find), workspace=workspace)
        if job is None or job.status not in ACTIVE:
            return None
        source = UploadedFile(self.engine, workspace, number)
        return ImportRun(self.engine, self.clock, workspace, job, source, self.open_file, self.max_contacts)
