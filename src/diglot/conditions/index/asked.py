"""What the look-ups of an index are made of."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from diglot.caches import MemoBudget
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.masks import SharedMasks
from diglot.conditions.index.questions import Test
from diglot.conditions.index.set_masks import SetMasks

K = TypeVar("K", bound=Hashable)
# Takes a contact and an instant (microseconds), and returns the gates that are ruled out.
Ask = Callable[[ContactView, int], int]


class Asked(NamedTuple):
    """A test, and the bits of the gates that require it and of those that forbid it."""

    test: Test
    required: Sequence[int]
    forbidden: Sequence[int]


class Setting(NamedTuple):
    """What the look-ups of one index share.

    They have bits below `width`, a time zone, bytes for what they remember, and wide masks, which are shared.
    """

    width: int
    zone: ZoneInfo
    budget: MemoBudget
    shared: SharedMasks | None


def set_masks_of(asked: Sequence[Asked], setting: Setting) -> SetMasks:
    """Return the masks of tests of which few are true of a value."""
    return SetMasks([(one.required, one.forbidden) for one in asked], setting.width, setting.budget)


def group_by_key(pairs: Iterable[tuple[K, int]]) -> Mapping[K, Sequence[int]]:
    """Return the numbers of each key."""
    grouped: defaultdict[K, list[int]] = defaultdict(list)
    for key, number in pairs:
        grouped[key].append(number)
    return {key: tuple(numbers) for key, numbers in grouped.items()}
