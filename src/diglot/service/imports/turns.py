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
# A dry run keeps up to 40 MiB of what it has found, and begins anew without it. More of them wait.
_MOST_DRY_RUNS: Final = 4
# A dry run without a turn for so long is worked on by another process, or its workspace fails.
_IDLE_SECONDS: Final = 120.0
JobKey = tuple[int, int]


@dataclass(slots=True)
class ImportTurns:
    """The jobs in progress, by workspace and number; a workspace has one dry run at a time."""

    engine: Engine
    clock: Clock
    open_file: OpenContactFile
    max_contacts: int
    _runs: dict[JobKey, ImportRun] = field(default_factory=dict)
    # Each with the time of its last turn.
    _dry_runs: dict[JobKey, tuple[ImportRun, float]] = field(default_factory=dict)

    async def run_turn(self, workspace: int, number: int) -> bool:
        """Work on a job for a turn, or until it has ended; return False for a dry run that has to wait."""
        key = (workspace, number)
        run = self._take(key) or await self._load(key)
        if run is not None and run.job.options.dry_run and not self._has_room(workspace):
            await self._forget_ended()
            if not self._has_room(workspace):
                return False
        until, is_over = time.monotonic() + TURN_SECONDS, False
        while run is not None and not run.is_ended and not is_over:
            try:
                await run.run_step()
            except StaleError:
                run = await self._load(key)
            is_over = time.monotonic() >= until
        if run is not None and not run.is_ended:
            self._keep(key, run)
        return True

    def _take(self, key: JobKey) -> ImportRun | None:
        """Remove and return a job in progress; one that fails now is read again."""
        run, _ = self._dry_runs.pop(key, (None, 0.0))
        return run or self._runs.pop(key, None)

    def _has_room(self, workspace: int) -> bool:
        """Return whether a dry run may have a turn beside the others that are in progress."""
        since = time.monotonic() - _IDLE_SECONDS
        self._dry_runs = {key: one for key, one in self._dry_runs.items() if one[1] >= since}
        workspaces = {key[0] for key in self._dry_runs}
        return workspace not in workspaces and len(workspaces) < _MOST_DRY_RUNS

    async def _forget_ended(self) -> None:
        """Make room of the dry runs that were stopped between two turns: no turn follows."""
        for key in list(self._dry_runs):
            if await self._load(key) is None:
                del self._dry_runs[key]

    def _keep(self, key: JobKey, run: ImportRun) -> None:
        if run.job.options.dry_run:
            self._dry_runs[key] = (run, time.monotonic())
            return
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
