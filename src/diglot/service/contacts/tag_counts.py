"""Updates tags after writes of contacts: a tag for each new name, and the number of contacts of each tag."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from diglot.conditions import text
from diglot.model.contacts import Contact
from diglot.model.ids import new_id
from diglot.model.tags import DEFAULT_COLOR, Tag
from diglot.storage.audience import tags
from diglot.storage.write_unit import WriteUnit

_decode: Final = msgspec.json.Decoder(list[str]).decode
_NO_TAGS: Final = "[]"
# A contact before and after a write; None before it is created and after it is deleted.
ContactWrite = tuple[Contact | None, Contact | None]


async def count_writes(unit: WriteUnit, writes: Sequence[ContactWrite]) -> None:
    """Update the contact counts of tags, and create tags for new names.

    Equal changes are summed first, so that the cost of an import depends on its distinct tags only.
    """
    if all(
        before is not None and after is not None and before.tags == after.tags for before, after in writes
    ):
        return
    count_changes, names = _summarize_writes(writes)
    existing = await tags.find_known_names(unit, list(names)) if names else set()
    new = [exact for exact in names if exact not in existing]
    if new:
        now = max(after.updated_at for _, after in writes if after is not None)
        created = [
            Tag(number, new_id(), names[exact], DEFAULT_COLOR, None, count_changes.pop(exact), now, now)
            for number, exact in enumerate(new, unit.take_keys("tag", len(new)))
        ]
        await tags.insert_all(unit, created)
    if changed := {exact: number for exact, number in count_changes.items() if number}:
        await tags.add_counts(unit, changed)


def decode_tags(encoded: str) -> dict[str, str]:
    """Return the tags of a contact as the client spelled them, by their normal form."""
    return {text.to_nfc(name): name for name in _decode(encoded)}


def _summarize_writes(writes: Sequence[ContactWrite]) -> tuple[dict[str, int], dict[str, str]]:
    """Return the change of the contact count of each tag, and the first spelling of each added tag."""
    count_changes: dict[str, int] = {}
    names: dict[str, str] = {}
    pairs = Counter(
        (_NO_TAGS if before is None else before.tags, _NO_TAGS if after is None else after.tags)
        for before, after in writes
    )
    for (old, new), times in pairs.items():
        if old == new:
            continue
        old_tags, new_tags = decode_tags(old), decode_tags(new)
        for exact in old_tags:
            if exact not in new_tags:
                count_changes[exact] = count_changes.get(exact, 0) - times
        for exact, name in new_tags.items():
            if exact not in old_tags:
                count_changes[exact] = count_changes.get(exact, 0) + times
                names.setdefault(exact, name)
    return count_changes, names
