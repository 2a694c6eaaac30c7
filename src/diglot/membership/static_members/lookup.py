"""Finds the members of static segments that expanded conditions name."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.analysis.segment_references import static_numbers
from diglot.conditions.computed_fields import SEGMENTS
from diglot.membership import store
from diglot.storage import workspaces
from diglot.storage.contacts import key_sets
from diglot.storage.predicates.binder import KeySets
from diglot.storage.slices import compute_off_loop
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import WriteUnit


async def _load_state(tenant: Tenant) -> WorkspaceState:
    """Return the state of the workspace as reads in a transaction must see it."""
    return tenant.state if isinstance(tenant, WriteUnit) else await workspaces.load_state(tenant)


async def load_key_sets(tenant: Tenant, nodes: Sequence[tree.Node], now: int, zone: ZoneInfo) -> KeySets:
    """Return the contacts that match each predicate that SQL cannot compute, static segments included."""
    computed = await key_sets.load_key_sets(tenant, nodes, now, zone)
    leaves = {
        tree.encode(predicate): predicate
        for node in nodes
        for predicate in tree.predicates_of(node)
        if predicate.field == SEGMENTS
    }
    if not leaves:
        return computed
    state = await _load_state(tenant)
    found = dict(computed)
    for stored, leaf in leaves.items():
        members = BitMap()
        for number in sorted(static_numbers((leaf,))):
            members |= await store.load_members(tenant, number, state)
        found[stored] = await compute_off_loop(tenant, len(members), partial(key_sets.encode_keys, members))
    return found


async def load_segments_of(
    tenant: Tenant, numbers: Collection[int], pks: Sequence[int]
) -> Mapping[int, Collection[str]]:
    """Return for contacts which of some static segments contain them, as conditions have them."""
    if not numbers:
        return {}
    among = await store.find_members_among(tenant, sorted(numbers), pks, await _load_state(tenant))
    return _invert(among.items())


def _invert(members: Iterable[tuple[int, BitMap]]) -> Mapping[int, Collection[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for number, keys in members:
        for pk in keys:
            found[pk].append(str(number))
    return found
