"""Requests of a person that somebody at a workspace answers: a copy of what is stored, and its erasure.

They read and delete what the operator's commands do, but in the turn of the workspace and with the deadline
of its reads, so that no workspace keeps others waiting. What takes longer is left to the commands.
"""

from dataclasses import dataclass
from typing import Any

from diglot.clock import Clock, system_clock
from diglot.conditions.addresses import normalize_address
from diglot.model.workspaces import Caller
from diglot.service.contacts.personal_data import Erasure, erase_person, export_person, find_traces
from diglot.service.unit_of_work import reads, writes_with
from diglot.storage.contacts.mentions import Traces
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import MOVES_MEMBERS, WriteUnit


@dataclass(frozen=True, slots=True)
class PersonRequests:
    """The use cases of all that is stored about one address in the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock

    @reads
    async def export(self, tenant: Tenant, email: str) -> dict[str, Any]:
        """Return all that is stored about an address, and nothing about others."""
        return await export_person(tenant, normalize_address(email), self.clock())

    async def erase(self, caller: Caller, email: str) -> Erasure:
        """Delete a contact, and what deliveries, kept responses and imports hold of it."""
        email = normalize_address(email)
        return await self._erase(caller, email, await self._find_traces(caller, email))

    @reads
    async def _find_traces(self, tenant: Tenant, email: str) -> Traces:
        return await find_traces(tenant, email, self.clock())

    @writes_with(MOVES_MEMBERS)
    async def _erase(self, unit: WriteUnit, email: str, traces: Traces) -> Erasure:
        return await erase_person(unit, email, traces)
