"""Finds the contacts that match predicates which SQL cannot compute, before a scan asks for them.

Neither database computes BLAKE2b, SQL knows nothing of months and days in a time zone, and not all that the
rules mean which an event has to match. So the application reads the ids of all contacts or the instants of
one field, or lets SQL add up events (see `event_matches`), evaluates the predicate, and hands its answer to
the scan as one bit for each key. [Decision 13](docs/decisions/0013-computed-fields-in-scans.md) says what
that costs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from pyroaring import BitMap
from sqlalchemy import bindparam, select

from diglot.conditions import tree
from diglot.conditions.computed import anniversaries
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.computed.samples import sample_of
from diglot.conditions.computed_fields import Anniversary, Sample, find_computed
from diglot.conditions.events.fields import is_history_field
from diglot.conditions.python_runtime import COMPARISONS, PYTHON_OPERATORS, NumberSet, is_one_of
from diglot.conditions.tree import Op
from diglot.storage.contacts import history_index, instants
from diglot.storage.contacts.event_matches import find_matching
from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.predicates.binder import NO_KEY_SETS, KeySets
from diglot.storage.schema import contacts
from diglot.storage.slices import compute_in_slices, compute_off_loop
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_SLICE_LENGTH: Final = 1_000
_c = contacts.c
_IDS = Statement(
    pin_to_index(select(_c.pk, _c.id))
    .where(_c.workspace == bindparam("workspace"), _c.pk > bindparam("after"))
    .order_by(_c.pk)
    .limit(instants.ROWS_PER_PAGE)
)
_NumberTest = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A predicate, and the keys of the contacts that match it, as found so far."""

    predicate: tree.Predicate
    keys: BitMap = field(default_factory=BitMap)


async def load_key_sets(tenant: Tenant, nodes: Iterable[tree.Node], now: int, zone: ZoneInfo) -> KeySets:
    """Return the contacts that match each predicate of some conditions that SQL cannot compute.

    Those on `segments` are left to `membership/static_members`.
    """
    asked: dict[str, _Asked] = {}
    by_salt: defaultdict[str, list[_Asked]] = defaultdict(list)
    by_source: defaultdict[str, list[_Asked]] = defaultdict(list)
    of_events: list[_Asked] = []
    lowered = map(lower_condition, nodes)
    for predicate in (predicate for node in lowered for predicate in tree.predicates_of(node)):
        computed, one = find_computed(predicate.field), _Asked(predicate)
        if (stored := tree.encode(predicate)) in asked:
            continue
        if isinstance(computed, Sample):
            by_salt[computed.salt].append(one)
        elif isinstance(computed, Anniversary):
            by_source[computed.source].append(one)
        elif is_history_field(predicate.field):
            of_events.append(one)
        else:
            continue
        asked[stored] = one
    if by_salt:
        await _find_samples(tenant, by_salt)
    for source, of_source in by_source.items():
        await _find_anniversaries(tenant, source, of_source, now, zone)
    if of_events:
        await _find_of_events(tenant, of_events, now, zone)
    return await _encode_all(tenant, asked) if asked else NO_KEY_SETS


async def _find_samples(tenant: Tenant, by_salt: Mapping[str, Sequence[_Asked]]) -> None:
    tests = {
        salt: [(one.keys, _number_test(one.predicate)) for one in asked] for salt, asked in by_salt.items()
    }
    after, rows = 0, await tenant.fetch_all(_IDS, after=0)
    while rows:
        async for _ in compute_in_slices(tenant, rows, partial(_add_samples, tests), _SLICE_LENGTH):
            pass
        after = rows[-1][0]
        rows = await tenant.fetch_all(_IDS, after=after)


def _add_samples(tests: Mapping[str, Sequence[tuple[BitMap, _NumberTest]]], rows: Sequence[Row]) -> None:
    for salt, of_salt in tests.items():
        numbers = [(pk, sample_of(id_, salt)) for pk, id_ in rows]
        for keys, test in of_salt:
            keys.update([pk for pk, number in numbers if test(number)])


def _number_test(predicate: tree.Predicate) -> _NumberTest:
    """Return the predicate as a function of a number that is no big integer."""
    op = predicate.op
    if op is Op.IS_SET:
        return lambda _: True
    numbers = [
        scalar.value for scalar in tree.scalars_of(predicate.operand) if isinstance(scalar, tree.Number)
    ]
    if op in (Op.EQUALS, Op.IN):
        return partial(is_one_of, numbers=NumberSet(numbers))
    compare, limit = COMPARISONS[PYTHON_OPERATORS[op]], float(numbers[0])
    return lambda number: compare(number, limit)


async def _find_anniversaries(
    tenant: Tenant, source: str, asked: Sequence[_Asked], now: int, zone: ZoneInfo
) -> None:
    today = anniversaries.today(now, zone)
    tests = [(one.keys, anniversaries.matching_month_days(_distances_of(one), today)) for one in asked]

    def add_matches(rows: Sequence[tuple[int, int]]) -> None:
        month_days = [(pk, anniversaries.month_day_of(instant, zone)) for pk, instant in rows]
        for keys, matching in tests:
            keys.update([pk for pk, month_day in month_days if matching >> month_day & 1])

    async for page in instants.iterate_instants(tenant, source, zone):
        async for _ in compute_in_slices(tenant, page, add_matches, _SLICE_LENGTH):
            pass


def _distances_of(one: _Asked) -> int:
    return anniversaries.matching_distances(one.predicate.op, one.predicate.operand)


async def _find_of_events(tenant: Tenant, asked: Sequence[_Asked], now: int, zone: ZoneInfo) -> None:
    if others := await _find_indexed(tenant, asked, now):
        found = await find_matching(tenant, [one.predicate for one in others], now, zone)
        for one, keys in zip(others, found, strict=True):
            one.keys.update(keys)


async def _find_indexed(tenant: Tenant, asked: Sequence[_Asked], now: int) -> list[_Asked]:
    """Add the matches of predicates with a window on fields that are indexed; return the others."""
    indexed, others = await history_index.load_indexed_fields(tenant), list[_Asked]()
    for one in asked:
        has_window = isinstance(one.predicate.operand, tree.Window)
        if has_window and history_index.key_of(one.predicate.field) in indexed:
            one.keys.update(await history_index.find_matching(tenant, one.predicate, now))
        else:
            others.append(one)
    return others


async def _encode_all(tenant: Tenant, asked: Mapping[str, _Asked]) -> KeySets:
    size = sum(len(one.keys) for one in asked.values())
    return await compute_off_loop(
        tenant, size, lambda: {stored: encode_keys(one.keys) for stored, one in asked.items()}
    )


def encode_keys(keys: BitMap) -> bytes:
    """Return keys as bits; see `KeySets`."""
    if not keys:
        return b""
    bits = bytearray((keys.max() >> 3) + 1)
    for key in keys:
        bits[key >> 3] |= 1 << (key & 7)
    return bytes(bits)
