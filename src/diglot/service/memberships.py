"""Memberships follow every write: the segments that mention what changed are asked about the contact again.

A condition is kept current when nothing but a write of the contact can change what it says of one: neither
time alone nor the lists that a contact is on. The others are evaluated when they are read.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import tree
from diglot.conditions.fields import ATTRIBUTE_PREFIX
from diglot.conditions.generate import Evaluate, fields_of, generate
from diglot.conditions.subject import Subject
from diglot.model.contacts import Contact
from diglot.model.segments import Segment, SegmentType
from diglot.storage import membership, memberships
from diglot.storage.engine import Transaction
from diglot.storage.workspaces import Locked

# A contact before and after a write; nothing before it came, nothing after it went.
Write = tuple[Contact | None, Contact | None]
# Conditions in one generated function, and functions for sets of them, remembered for a workspace.
MOST_IN_ONE: Final = 1_000
MOST_FUNCTIONS: Final = 256
_REMEMBERED: Final = "evaluators"
# What a condition can mention of a contact, but for its attributes, tags and lists.
_PLAIN: Final = tuple(
    name for name in Contact.__struct_fields__ if name not in ("pk", "id", "tags", "attributes")
)
_decode = msgspec.json.Decoder().decode


def is_kept(segment: Segment) -> bool:
    """Tell whether the membership of a segment is kept current."""
    node = segment.condition.tree
    return (
        segment.type is SegmentType.DYNAMIC
        and not membership.moves_with_time(node)
        and "lists" not in fields_of(node)
    )


@dataclass(slots=True)
class _Live:
    """The segments of a workspace that are kept current, and the functions that ask them."""

    version: int
    zone: ZoneInfo
    nodes: Mapping[int, tree.Node]
    by_field: dict[str, set[int]] = field(default_factory=dict)
    _functions: OrderedDict[frozenset[int], Sequence[Evaluate]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        for number, node in self.nodes.items():
            for name in fields_of(node):
                self.by_field.setdefault(name, set()).add(number)

    def affected(self, fields: Iterable[str]) -> frozenset[int]:
        """Return the segments that mention any of the fields."""
        return frozenset(number for name in fields for number in self.by_field.get(name, ()))

    def met(self, numbers: frozenset[int], contact: Contact | None) -> set[int]:
        """Return which of the segments a contact is in."""
        if contact is None or not numbers:
            return set()
        subject = _subject(contact, self.zone)
        return {number for function in self._function(numbers) for number in function(subject, 0)}

    def _function(self, numbers: frozenset[int]) -> Sequence[Evaluate]:
        found = self._functions.get(numbers)
        if found is None:
            ordered = sorted(numbers)
            parts = [ordered[first : first + MOST_IN_ONE] for first in range(0, len(ordered), MOST_IN_ONE)]
            found = [generate({number: self.nodes[number] for number in part}, self.zone) for part in parts]
            self._functions[numbers] = found
            while len(self._functions) > MOST_FUNCTIONS:
                self._functions.popitem(last=False)
        return found


def _subject(contact: Contact, zone: ZoneInfo) -> Subject:
    fields: dict[str, Any] = {name: getattr(contact, name) for name in _PLAIN}
    fields["tags"] = _decode(contact.tags)
    return Subject(fields, _decode(contact.attributes), (), zone)


async def follow(transaction: Transaction, workspace: int, locked: Locked, writes: Sequence[Write]) -> None:
    """Bring the memberships up to date with writes of contacts, in their transaction."""
    live = await _live(transaction, workspace, locked)
    if not live.nodes:
        return
    everything = frozenset(live.nodes)
    changes: list[tuple[int, Sequence[int], Sequence[int]]] = []
    for before, after in writes:
        numbers = everything
        if before is not None and after is not None:
            numbers = live.affected(_differing(before, after))
        was, is_ = live.met(numbers, before), live.met(numbers, after)
        if was != is_:
            one = after or before
            assert one is not None
            changes.append((one.pk, sorted(is_ - was), sorted(was - is_)))
    if changes:
        await memberships.log(transaction, workspace, changes)


def _differing(before: Contact, after: Contact) -> set[str]:
    """Return the fields that differ, under the names that conditions know them by."""
    names = {name for name in (*_PLAIN, "tags") if getattr(before, name) != getattr(after, name)}
    if "status" in names:
        names.add("subscribed")
    if before.attributes != after.attributes:
        was, is_ = _decode(before.attributes), _decode(after.attributes)
        names |= {f"{ATTRIBUTE_PREFIX}{key}" for key in was.keys() | is_.keys() if _other(was, is_, key)}
    return names


def _other(was: Mapping[str, Any], is_: Mapping[str, Any], key: str) -> bool:
    # As encoded: 1, 1.0 and true are equal in Python, and three values here.
    return key not in was or key not in is_ or msgspec.json.encode(was[key]) != msgspec.json.encode(is_[key])


async def _live(transaction: Transaction, workspace: int, locked: Locked) -> _Live:
    kept: dict[int, _Live] = transaction.memory.setdefault(_REMEMBERED, {})
    found = kept.get(workspace)
    if found is None or found.version != locked.segments_version or found.zone != locked.zone:
        nodes = await memberships.live(transaction, workspace) if locked.segments_version else {}
        found = kept[workspace] = _Live(locked.segments_version, locked.zone, nodes)
    return found


async def evaluate(transaction: Transaction, workspace: int, locked: Locked, segment: Segment) -> Segment:
    """Evaluate a segment in full and keep its membership current from now on, where that can be done."""
    if not is_kept(segment):
        if segment.members is not None:
            await memberships.forget(transaction, workspace, segment.number)
        return replace(segment, members=None)
    if locked.entry - 1 > locked.folded:
        # What the log says of the segment was said under its earlier condition.
        await memberships.fold(transaction, workspace, locked.folded, locked.entry - 1)
    node = segment.condition.tree
    members = await memberships.build(transaction, workspace, segment.number, node, locked.zone)
    return replace(segment, members=members)


async def evaluate_all(transaction: Transaction, workspace: int, locked: Locked) -> None:
    """Evaluate every segment that is kept current again, as a change of the time zone asks for."""
    if locked.entry - 1 > locked.folded:
        await memberships.fold(transaction, workspace, locked.folded, locked.entry - 1)
    for number, node in (await memberships.live(transaction, workspace)).items():
        await memberships.build(transaction, workspace, number, node, locked.zone)


async def changed(transaction: Transaction, workspace: int) -> None:
    """Note that a segment that was kept current is gone."""
    await memberships.changed_segments(transaction, workspace)
