"""What the instant index has of fields of single events: it answers for all contacts without their events.

The name of such a field may be long, so that the index calls it by a hash.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from pyroaring import BitMap
from sqlalchemy import bindparam, func, select

from diglot.conditions import tree
from diglot.conditions.events.fields import (
    EVENT_PREFIX,
    MAX_CACHED_LENGTH,
    is_event_field,
    is_history_field,
    is_jumps_field,
    parse_event_field,
)
from diglot.storage.predicates.kept_events import KEPT_SINCE
from diglot.storage.schema import field_instants, indexed_fields
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_m, _w = field_instants.c, indexed_fields.c
_OF_FIELD = (_m.workspace == bindparam("workspace")) & (_m.field == bindparam("field"))
_KEPT = _OF_FIELD & (_m.instant >= KEPT_SINCE)
_INDEXED_FIELDS: Final = Statement(select(_w.field).where(_w.workspace == bindparam("workspace")))
_WITHIN: Final = Statement(
    select(_m.pk).where(_KEPT, _m.instant >= bindparam("since"), _m.instant <= bindparam("until"))
)
_ODD_SINCE: Final = Statement(
    select(_m.pk).where(_KEPT, _m.instant >= bindparam("since")).group_by(_m.pk).having(func.count() % 2 == 1)
)


# Marks a field that is being filled in parts, before the key of the contact with which the next part begins.
# No field begins so.
FILLING: Final = "~"
_HASH: Final = re.compile(re.escape(EVENT_PREFIX) + "[0-9a-f]{32}")


def key_of(field: str) -> str:
    """Return what the index calls a field; the hash of a long name is none that a rule can name."""
    if not is_history_field(field):
        return field
    return _hash_short(field) if len(field) <= MAX_CACHED_LENGTH else _hash(field)


def _hash(field: str) -> str:
    return EVENT_PREFIX + blake2b(field.encode(), digest_size=16).hexdigest()


# Each write of an event asks for the names of all fields that it moves.
_hash_short: Final = lru_cache(maxsize=4_096)(_hash)


def holds_single_events(key: str) -> bool:
    """Tell whether the index holds instants of events in a field, which may be kept for a limited time."""
    if _HASH.fullmatch(key):
        return True
    return is_event_field(key) and parse_event_field(key).part == "newest"


async def load_indexed_fields(tenant: Tenant) -> frozenset[str]:
    """Return the indexed fields, as `key_of` calls them."""
    rows = await tenant.fetch_all(_INDEXED_FIELDS)
    return frozenset(row[0] for row in rows if not row[0].startswith(FILLING))


def mark_filling(field: str, first: int) -> str:
    """Return the mark of a field whose next part begins with a contact; 0 while it is cleared."""
    return f"{FILLING}{first} {key_of(field)}"


async def load_filling_fields(tenant: Tenant) -> Mapping[str, int]:
    """Return where the next part begins of each field that is being filled, as `key_of` calls them."""
    rows = await tenant.fetch_all(_INDEXED_FIELDS)
    marks = (row[0].removeprefix(FILLING).split(" ", 1) for row in rows if row[0].startswith(FILLING))
    return {key: int(first) for first, key in marks}


async def find_matching(tenant: Tenant, predicate: tree.Predicate, now: int) -> BitMap:
    """Return the contacts that match a predicate with a window on an indexed field at an instant."""
    field, window = key_of(predicate.field), predicate.operand
    assert isinstance(window, tree.Window)
    since = now - window.value
    if is_jumps_field(predicate.field):
        rows = await tenant.fetch_all(_ODD_SINCE, field=field, since=since)
    else:
        rows = await tenant.fetch_all(_WITHIN, field=field, since=since, until=now)
    return BitMap([row[0] for row in rows])
