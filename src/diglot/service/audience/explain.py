"""Explains why a contact is a member of a segment, or why not."""

from dataclasses import dataclass

from diglot.clock import Clock, system_clock
from diglot.conditions import text, tree
from diglot.conditions.explain import Verdict, explain_condition
from diglot.errors import NotFound
from diglot.membership import read
from diglot.membership.read import MembershipQuery
from diglot.model.contact_views import view_of
from diglot.model.contacts import Contact
from diglot.model.explanations import Explanation
from diglot.model.ids import parse_id
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.membership_history import find_entry_origin
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from diglot.service.unit_of_work import reads
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A segment and a contact as one snapshot shows them, at an instant."""

    segment: Segment
    state: WorkspaceState
    contact: Contact
    lists: tuple[str, ...]
    is_member: bool
    entry_origin: ChangeOrigin | None
    effective_now: int


@dataclass(frozen=True, slots=True)
class Explanations:
    """The use case of explanations: it reads one snapshot, then evaluates each rule."""

    engine: Engine
    clock: Clock = system_clock

    async def explain(self, caller: Caller, segment_id: str | None, contact: str) -> Explanation:
        """Explain a contact, given its id or address; raise `NotFound` for the contact or the segment."""
        seen = await self._load_snapshot(caller, segment_id, contact)
        # Outside of the transaction and off the event loop, because compiling many predicates takes long.
        verdict = await self.engine.run_off_loop(lambda: _explain_condition(seen))
        return Explanation(
            seen.segment,
            seen.contact,
            seen.lists,
            seen.is_member,
            verdict,
            seen.entry_origin,
            seen.effective_now,
            seen.state.zone,
        )

    @reads
    async def _load_snapshot(self, tenant: Tenant, segment_id: str | None, named: str) -> _Snapshot:
        transaction, workspace = tenant.transaction, tenant.workspace
        segment, state = await require_segment_with_state(tenant, segment_id)
        contact = await _require_contact(transaction, workspace, named)
        at = read.effective_now(state, self.clock())
        relation = MembershipQuery.for_segment(workspace, segment, at, state)
        is_member = await read.has_member(transaction, relation, contact.pk)
        entered = (
            await find_entry_origin(transaction, workspace, segment, contact.pk, state) if is_member else None
        )
        lists: tuple[str, ...] = ()
        if "lists" in tree.fields_of(segment.condition.tree):
            lists = tuple(one.id for one in await queries.load_lists_of(transaction, workspace, contact.pk))
        return _Snapshot(segment, state, contact, lists, is_member, entered, at)


async def _require_contact(transaction: Transaction, workspace: int, named: str) -> Contact:
    if (id_ := parse_id(named)) is not None:
        found = await queries.find_contact_by_id(transaction, workspace, id_)
    else:
        found = await queries.find_contact_by_email(transaction, workspace, text.normalize_email(named))
    if found is None:
        raise NotFound(REFERENCED_CONTACT)
    return found


def _explain_condition(seen: _Snapshot) -> Verdict | None:
    if seen.segment.type is SegmentType.STATIC:
        return None
    subject = view_of(seen.contact, seen.lists, seen.state.zone)
    return explain_condition(seen.segment.condition.tree, subject, seen.effective_now, seen.state.zone)
