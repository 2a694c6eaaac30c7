"""Verifies the memberships of a random sample of contacts in all dynamic segments of a workspace.

A full verification scans all contacts once for each segment. A sample evaluates all segments for some
contacts, so it also fits a workspace in which the former takes longer than a day.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from pyroaring import BitMap

from diglot.conditions.bulk.blocks import MAX_CONTACTS, ContactBlock
from diglot.conditions.index.masks import select_items
from diglot.membership import store
from diglot.membership.active_segments import ActiveSegments, get_active_segments
from diglot.membership.moves import load_surroundings
from diglot.model.contact_views import NO_SURROUNDINGS
from diglot.model.contacts import Contact
from diglot.storage import workspaces
from diglot.storage.contacts import queries
from diglot.storage.membership.chunks import CHUNK_BITS, chunk_of
from diglot.storage.slices import compute_in_slices
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace

# The contacts of a batch are neighbours in one chunk, because each chunk has to be read for every segment.
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class SampleResult:
    """How many contacts were compared in how many segments; `wrong` counts contacts by segment number."""

    contacts: int
    segments: int
    wrong: Mapping[int, int]


async def compare_sample(engine: Engine, workspace: int, size: int, rng: Random) -> SampleResult:
    """Compare about `size` contacts of a workspace, or all if it has fewer keys, each batch in a snapshot."""
    # Not the newest contact, because a deleted one after it could be a member by mistake.
    last = await engine.read(bind_workspace(workspace, workspaces.load_last_contact_key))
    contacts, segments, wrong = 0, 0, dict[int, int]()
    for keys in _choose_batches(last, size, rng):
        batch = await engine.read(bind_workspace(workspace, partial(_compare_batch, keys=keys)))
        contacts, segments = contacts + batch.contacts, max(segments, batch.segments)
        for number, count in batch.wrong.items():
            wrong[number] = wrong.get(number, 0) + count
    return SampleResult(contacts, segments, wrong)


def _choose_batches(last: int, size: int, rng: Random) -> Iterator[range]:
    """Yield ranges of keys up to `last`, each within a chunk and none twice."""
    starts = range(1, last + 1, BATCH)
    for start in rng.sample(starts, min(len(starts), -(-size // BATCH))):
        end = min(start + BATCH, last + 1)
        boundary = (chunk_of(start) + 1) << CHUNK_BITS
        yield range(start, min(end, boundary))
        if boundary < end:
            yield range(boundary, end)


async def _compare_batch(tenant: Tenant, keys: range) -> SampleResult:
    state = await workspaces.load_state(tenant)
    active = await get_active_segments(tenant, state.segments_version, state.zone)
    numbers = active.all_dynamic - active.pending_segments
    contacts = await queries.load_key_range(tenant, keys.start - 1, keys.stop, len(keys))
    # Every stored membership is right at this instant.
    expected = await _evaluate(tenant, active, numbers, contacts, state.evaluated_at)
    stored = await store.find_members_among(tenant, sorted(numbers), keys, state)
    differences = {number: stored[number] ^ expected.get(number, BitMap()) for number in numbers}
    wrong = {number: len(differing) for number, differing in differences.items() if differing}
    return SampleResult(len(contacts), len(numbers), wrong)


async def _evaluate(
    tenant: Tenant, active: ActiveSegments, numbers: frozenset[int], contacts: Sequence[Contact], at: int
) -> dict[int, BitMap]:
    """Return which of the contacts each segment matches."""
    around = await load_surroundings(tenant, active, numbers, [contact.pk for contact in contacts])
    bulk = await active.bulk_evaluator(tenant.transaction)
    members: dict[int, BitMap] = {}

    def match(part: Sequence[Contact]) -> None:
        pks = [contact.pk for contact in part]
        views = [active.view_contact(contact, around.get(contact.pk, NO_SURROUNDINGS)) for contact in part]
        for number, mask in bulk.match(ContactBlock(views), at, numbers).items():
            members.setdefault(number, BitMap()).update(select_items(pks, mask))

    async for _ in compute_in_slices(tenant, contacts, match, MAX_CONTACTS):
        pass
    return members
