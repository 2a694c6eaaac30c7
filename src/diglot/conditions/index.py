"""Indexes of numbered conditions: which of them mention a field, or have a relative date."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from diglot.conditions import tree

K = TypeVar("K")


def build_index(
    conditions: Mapping[int, tree.Node], names_of: Callable[[tree.Node], Collection[K]]
) -> dict[K, Sequence[int]]:
    """Return the segments of each name that conditions mention."""
    segments: dict[K, list[int]] = {}
    for number, node in conditions.items():
        for name in names_of(node):
            segments.setdefault(name, []).append(number)
    return {name: tuple(numbers) for name, numbers in segments.items()}


def update_index(
    index: Mapping[K, Sequence[int]],
    before: Mapping[int, tree.Node],
    after: Mapping[int, tree.Node],
    names_of: Callable[[tree.Node], Collection[K]],
) -> dict[K, Sequence[int]]:
    """Return an index in which only what changed conditions mention is replaced, because most did not."""
    changed = {
        number for number in before.keys() | after.keys() if before.get(number) is not after.get(number)
    }
    added = build_index({number: after[number] for number in changed & after.keys()}, names_of)
    removed = build_index({number: before[number] for number in changed & before.keys()}, names_of)
    updated = dict(index)
    for name in added.keys() | removed.keys():
        kept = [number for number in updated.pop(name, ()) if number not in changed]
        if numbers := (*kept, *added.get(name, ())):
            updated[name] = numbers
    return updated
