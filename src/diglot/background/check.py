"""Checks a whole database for an operator: counts, values, and every dynamic segment against an evaluation.

The evaluation is full, or of a sample of contacts. Each workspace and each segment, or each batch of a
sample, is read in a snapshot of its own, so other processes may write meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from diglot.background.sampling import compare_sample
from diglot.background.verification import Verification, VerificationResult
from diglot.clock import Clock, system_clock
from diglot.model.workspaces import Workspace
from diglot.plurals import count_of
from diglot.storage import workspaces
from diglot.storage.background import due_work, stored_counts
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.background.outdated_values import find_outdated_values
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace


@dataclass(frozen=True, slots=True)
class Check:
    """Compares what is stored; `report` gets a line for each finding, `progress` the items done and all."""

    engine: Engine
    report: Callable[[str], None]
    progress: Callable[[int, int], None]
    clock: Clock = system_clock

    async def run(self, *, repair: bool, only: str | None = None) -> int:
        """Check all workspaces, or one by its name, and return the number of segments compared.

        `repair` mends segments.
        """
        all_workspaces = await self.engine.read(workspaces.list_all)
        segments = await self.engine.read(due_work.list_dynamic_segments)
        if only is not None:
            all_workspaces = [each for each in all_workspaces if each.name == only]
            segments = [each for each in segments if each[2] == only]
        total = len(all_workspaces) + len(segments)
        for done, workspace in enumerate(all_workspaces):
            self.progress(done, total)
            await self._look_at_rows(workspace)
        verification = Verification(self.engine, self.clock)
        compared = 0
        for done, (key, id_, name) in enumerate(segments, len(all_workspaces)):
            self.progress(done, total)
            result = await (verification.verify(key) if repair else verification.compare(key))
            compared += result is not None
            if result is not None and not result.is_correct:
                outcome = " (repaired)" if repair else ""
                self.report(f"workspace {name}: segment {id_}: {_describe(result)}{outcome}")
        self.progress(total, total)
        return compared

    async def run_on_sample(self, size: int, rng: Random) -> int:
        """Check some contacts of each workspace in all its segments; return the number of contacts."""
        all_workspaces = await self.engine.read(workspaces.list_all)
        segments = await self.engine.read(due_work.list_dynamic_segments)
        ids = {key: id_ for key, id_, _ in segments}
        compared = 0
        for done, workspace in enumerate(all_workspaces):
            self.progress(done, len(all_workspaces))
            if workspace.time_zone != workspaces.IN_DELETION:
                sample = await compare_sample(self.engine, workspace.number, size, rng)
                compared += sample.contacts
                for number, count in sorted(sample.wrong.items()):
                    segment = ids.get(SegmentKey(workspace.number, number), number)
                    difference = f"{count:,} of {sample.contacts:,} contacts differ from an evaluation"
                    self.report(f"workspace {workspace.name}: segment {segment}: {difference}")
        self.progress(len(all_workspaces), len(all_workspaces))
        return compared

    async def _look_at_rows(self, workspace: Workspace) -> None:
        if workspace.time_zone == workspaces.IN_DELETION:
            self.report(f"workspace {workspace.name}: its deletion did not end: run it again")
            return
        find = bind_workspace(workspace.number, stored_counts.find_wrong_counts)
        for wrong in await self.engine.read(find):
            difference = f"{wrong.name} is {wrong.stored}, but there are {wrong.counted}"
            self.report(f"workspace {workspace.name}: {difference}")
        outdated = bind_workspace(workspace.number, partial(find_outdated_values, now=self.clock()))
        values = await self.engine.read(outdated)
        for kind, count in values.counts.items():
            self.report(f"workspace {workspace.name}: {_describe_outdated(kind, count, values.ids[kind])}")


def _describe_outdated(kind: str, count: int, ids: Sequence[str]) -> str:
    more = f" and {count - len(ids):,} more" if count > len(ids) else ""
    have = count_of(count, "contact has", "contacts have")
    return f"{have} {kind}: {', '.join(ids)}{more}"


def _describe(result: VerificationResult) -> str:
    parts = {
        "its members differ from a full evaluation": not result.members_match,
        "its counts differ from a full evaluation": not result.counts_match,
        "its next change by time is wrong": not result.next_change_matches,
        f"the index of instants is wrong for {', '.join(sorted(result.stale_fields))}": result.stale_fields,
    }
    return "; ".join(part for part, is_wrong in parts.items() if is_wrong)
