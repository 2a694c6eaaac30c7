"""One run of Schemathesis as a process, against a server and the document that it serves."""

import asyncio
import json
import os
import re
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from diglot.dialects.registry import get_dialect
from support.paths import TESTS
from support.schemathesis_run import seeds
from support.servers.process import ServerProcess

HERE: Final = Path(__file__).parent
_KEYS: Final = {"misar": "/mail/v1/keys"}


@dataclass(frozen=True)
class Run:
    """The output of a run, its exit code, and the hooks' counts."""

    code: int
    output: str
    counts: Mapping[str, Mapping[str, int]]
    alive: bool

    def answers(self, mode: str) -> int:
        """Return the number of responses to requests that are `positive`, or `negative`."""
        return sum(number for key, number in self.counts["phases"].items() if key.split()[1] == mode)

    def summary(self) -> str:
        """Return Schemathesis' lines about the phases, its summary, and the hooks' counts."""
        phases = re.split("\n=+ (?:FAILURES|ERRORS|WARNINGS|SUMMARY) =+\n", self.output)[0]
        ending = re.split("\n=+ SUMMARY =+\n", self.output)[-1]
        return f"{phases.strip()}\n\n{ending.strip()}\n\n{self.counted()}"

    def counted(self) -> str:
        """Return the hooks' counts."""
        walks = self.counts["walks"]
        return "\n".join(
            (
                "Answers by phase:",
                self._cases(),
                f"Steps from success to success: {sum(walks.values()):,}, of {len(walks)} kinds",
                *(f"  {name}: {number}" for name, number in _most(walks)),
                f"Failures that a rule explains: {self.counts['passed over']}",
                *(f"  {name}: {number}" for name, number in _most(self.counts["refused"])),
            )
        )

    def _cases(self) -> str:
        """Return the number of responses of each kind in each phase."""
        results: dict[str, dict[str, int]] = {}
        for key, number in sorted(self.counts["phases"].items()):
            phase, mode, status = key.split()
            sorts = results.setdefault(f"{phase}, {mode}", {})
            sorts[status] = sorts.get(status, 0) + number
        return "\n".join(f"  {phase}: {_listed(sorts)}" for phase, sorts in results.items())


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: -one[1])


def _listed(sorts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{number:,} x {status}" for status, number in sorts.items())
    return f"{sum(sorts.values()):,} ({listed})"


@dataclass(frozen=True)
class Budget:
    """The seed of a run, its cases for each call, and its walks from call to call."""

    seed: int
    examples: int
    walks: int

    def share(self, of: int) -> "Budget":
        """Return the same budget divided by a number."""
        return Budget(self.seed, max(1, self.examples // of), max(1, self.walks // of))


async def run(live: ServerProcess, dialect: str, budget: Budget, *options: str) -> Run:
    """Seed the workspace of a server, run, and return the results."""
    key = await live.key(dialect)
    ids = await seeds.create_resources(dialect, live.base, key)
    own = await _own_key(live, dialect, key)
    with tempfile.TemporaryDirectory(prefix="diglot-outside-") as folder:
        config, counts = Path(folder) / "schemathesis.toml", Path(folder) / "counts.json"
        walks = f"[phases.stateful.generation]\nmax-examples = {budget.walks}\n"
        config.write_text("\n".join(((HERE / "schemathesis.toml").read_text(), walks, seeds.settings(ids))))
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", live.base + get_dialect(dialect).json_path, "--header", f"Authorization: Bearer {key}"),
            *("--seed", str(budget.seed), "--max-examples", str(budget.examples), "--no-color", *options),
        ]
        environment = os.environ | {
            "PYTHONPATH": str(TESTS),
            "PYTHONHASHSEED": "0",
            "DIGLOT_OUTSIDE_COUNTS": str(counts),
            "DIGLOT_OUTSIDE_KEY": own,
        }
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=STDOUT, env=environment, cwd=folder
        )
        said, _ = await process.communicate()
        # The hooks write them at the end, so a run that was killed has none.
        assert counts.exists(), f"Schemathesis ended with {process.returncode}:\n{said.decode()[-4_000:]}"
        told: Any = json.loads(counts.read_text())
    return Run(process.returncode or 0, said.decode(), told, await _key_works(live, dialect, key))


async def _own_key(live: ServerProcess, dialect: str, key: str) -> str:
    """Return the id of a key, if its dialect has a call that would revoke it."""
    if dialect not in _KEYS:
        return ""
    async with httpx.AsyncClient(base_url=live.base) as client:
        answer = await client.get(_KEYS[dialect], headers={"Authorization": f"Bearer {key}"})
    result: str = answer.json()["keys"][0]["id"]
    return result


async def _key_works(live: ServerProcess, dialect: str, key: str) -> bool:
    """Return whether a key still works."""
    prefix = get_dialect(dialect).prefix
    async with httpx.AsyncClient(base_url=live.base) as client:
        answer = await client.get(f"{prefix}/segments", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code == 200
