"""What rules can name: attributes, tags, lists, segments and events, with examples of values.

The examples are those of the newest contacts, because to look for others could mean to read all contacts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from diglot.conditions import dates
from diglot.conditions.fields import ATTRIBUTE_PREFIX
from diglot.model.contacts import Contact
from diglot.model.pages import Window
from diglot.storage.audience import names
from diglot.storage.contacts import attribute_keys, queries
from diglot.storage.tenant import Tenant

MOST_NAMES: Final = 1_000
_NEWEST: Final = Window(0, 100)
_MOST_EXAMPLES: Final = 20
_LONGEST_EXAMPLE: Final = 60
# The text fields that many contacts have in common.
_SHARED_FIELDS: Final = ("company", "job_title", "source")
_decode: Final = msgspec.json.Decoder().decode


class Examples(msgspec.Struct, frozen=True):
    """What contacts have in a field: the kind of most values (`text`, `number`, `boolean` or `date`)."""

    kind: str
    values: Sequence[str]


class Vocabulary(msgspec.Struct, frozen=True):
    """Names for rules; `segments` and `lists` are names by UUID, `examples` are by canonical field."""

    attributes: Sequence[str]
    segments: Mapping[str, str]
    lists: Mapping[str, str]
    tags: Sequence[str]
    events: Sequence[str]
    examples: Mapping[str, Examples]


async def load_vocabulary(tenant: Tenant) -> Vocabulary:
    """Return what rules of the workspace can name, the newest names first; at most some rows of each kind."""
    return Vocabulary(
        await attribute_keys.load_all_keys(tenant),
        await names.load_segments(tenant, MOST_NAMES),
        await names.load_lists(tenant, MOST_NAMES),
        await names.load_tags(tenant, MOST_NAMES),
        await names.load_events(tenant, MOST_NAMES),
        find_examples(await queries.load_contact_page(tenant, _NEWEST)),
    )


def find_examples(contacts: Iterable[Contact]) -> dict[str, Examples]:
    """Return the examples that contacts give, by the canonical names of fields."""
    kinds, values = defaultdict[str, Counter[str]](Counter), defaultdict[str, Counter[str]](Counter)
    for contact in contacts:
        for field, value in _fields_of(contact):
            for one in value if isinstance(value, list) else [value]:
                kind = _kind_of(one)
                if kind is None:
                    continue
                kinds[field][kind] += 1
                text = one if isinstance(one, str) else msgspec.json.encode(one).decode()
                if 0 < len(text) <= _LONGEST_EXAMPLE:
                    values[field][text] += 1
    return {
        field: Examples(
            counted.most_common(1)[0][0], [text for text, _ in values[field].most_common(_MOST_EXAMPLES)]
        )
        for field, counted in kinds.items()
    }


def _fields_of(contact: Contact) -> Iterable[tuple[str, Any]]:
    for name in _SHARED_FIELDS:
        yield name, getattr(contact, name)
    for key, value in _decode(contact.attributes).items():
        yield ATTRIBUTE_PREFIX + key, value


def _kind_of(value: Any) -> str | None:
    if isinstance(value, str):
        return "text" if dates.parse(value) is None else "date"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else None
