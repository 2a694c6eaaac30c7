"""Why a contact is a member of a segment, or is not."""

from dataclasses import dataclass

from diglot.clock import Clock, system_clock
from diglot.conditions import text, tree
from diglot.conditions.explain import Verdict, judge
from diglot.errors import NotFound
from diglot.membership import read
from diglot.membership.read import Relation
from diglot.model.contact_views import subject_of
from diglot.model.contacts import Contact
from diglot.model.explanations import Explanation
from diglot.model.ids import read_id
from diglot.model.membership_changes import Moment
from diglot.model.segments import Segment, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.membership_history import entered_at
from diglot.service.audience.segments import segment_with_state
from diglot.service.contacts.contacts_by_id import NAMED_CONTACT
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one snapshot shows of a segment and a contact, at an instant."""

    segment: Segment
    state: State
    contact: Contact
    lists: tuple[str, ...]
    is_member: bool
    entered: Moment | None
    at: int


@dataclass(frozen=True, slots=True)
class Explanations:
    """The use case: one snapshot, then the reasons."""

    engine: Engine
    clock: Clock = system_clock

    async def explain(self, caller: Caller, segment_id: str | None, contact: str) -> Explanation:
        """Explain a contact, named by its id or its address; raise `NotFound` for either."""
        seen = await self.engine.read(lambda tx: self._look(tx, caller, segment_id, contact))
        # Compiling many predicates takes long: outside of the transaction, and not on the event loop.
        verdict = await self.engine.run_off_loop(lambda: _verdict(seen))
        return Explanation(
            seen.segment,
            seen.contact,
            seen.lists,
            seen.is_member,
            verdict,
            seen.entered,
            seen.at,
            seen.state.zone,
        )

    async def _look(
        self, transaction: Transaction, caller: Caller, segment_id: str | None, named: str
    ) -> _Seen:
        workspace = caller.workspace
        segment, state = await segment_with_state(transaction, caller, segment_id)
        contact = await _contact(transaction, workspace, named)
        at = read.read_at(state, self.clock())
        relation = Relation.of(workspace, segment, at, state)
        is_member = await read.has(transaction, relation, contact.pk)
        entered = await entered_at(transaction, workspace, segment, contact.pk, state) if is_member else None
        lists: tuple[str, ...] = ()
        if "lists" in tree.fields_of(segment.condition.tree):
            lists = tuple(one.id for one in await queries.lists_of(transaction, workspace, contact.pk))
        return _Seen(segment, state, contact, lists, is_member, entered, at)


async def _contact(transaction: Transaction, workspace: int, named: str) -> Contact:
    if (id_ := read_id(named)) is not None:
        found = await queries.by_id(transaction, workspace, id_)
    else:
        found = await queries.by_email(transaction, workspace, text.email_form(named))
    if found is None:
        raise NotFound(NAMED_CONTACT)
    return found


def _verdict(seen: _Seen) -> Verdict | None:
    if seen.segment.type is SegmentType.STATIC:
        return None
    subject = subject_of(seen.contact, seen.lists, seen.state.zone)
    return judge(seen.segment.condition.tree, subject, seen.at, seen.state.zone)
