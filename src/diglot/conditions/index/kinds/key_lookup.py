"""The look-up of a reading whose values are keys: texts, tags, lists, and numbers that have to be equal."""

from collections.abc import Sequence
from sys import getsizeof
from typing import Final

from diglot.caches import Memo
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.asked import Asked, Setting, group_by_key, set_masks_of
from diglot.conditions.index.masks import weigh_mask
from diglot.conditions.index.questions import AnyOf, Key, Reading
from diglot.conditions.index.readings import reader_of
from diglot.conditions.index.set_masks import Effects, weigh_effects

# The masks for single keys are remembered if there are only so many: those of statuses, or of being set.
_FEW_KEYS: Final = 8


class KeyLookup:
    """Finds the tests that ask for the keys of a contact.

    What each of several keys does is remembered, because the same ones seldom come together again. A mask for
    only one key is remembered by the look-up of the field.
    """

    __slots__ = ("_by_key", "_effects", "_find_known", "_found", "_masks", "_read", "missing")

    def __init__(self, reading: Reading, asked: Sequence[Asked], setting: Setting) -> None:
        self._masks = set_masks_of(asked, setting)
        self.missing = self._masks.missing
        self._read = reader_of(reading)
        tests = [one.test for one in asked if isinstance(one.test, AnyOf)]
        self._by_key = group_by_key((key, number) for number, test in enumerate(tests) for key in test.keys)
        self._find_known = frozenset(self._by_key).intersection
        self._effects: Memo[Key, Effects] = setting.budget.memo(_weigh_effects)
        self._found: Memo[Key, int] = setting.budget.memo(_weigh_found)

    def ask(self, view: ContactView, _now: int) -> int:
        """Return the gates that are ruled out for a contact."""
        keys = self._read(view)
        known = self._find_known(keys)
        if not known:
            return self.missing()
        if len(known) == 1 and len(self._by_key) <= _FEW_KEYS:
            (key,) = known
            mask = self._found.get(key)
            return self._found.put(key, self._masks.combine([self._find(key)])) if mask is None else mask
        effects_of = self._remember if len(keys) > 1 else self._find
        recent = self._effects.recent
        return self._masks.combine([recent.get(key) or effects_of(key) for key in known])

    def _find(self, key: Key) -> Effects:
        return self._masks.effects_of(self._by_key[key])

    def _remember(self, key: Key) -> Effects:
        effects = self._effects.get(key)
        return self._effects.put(key, self._find(key)) if effects is None else effects


def _weigh_found(key: Key, mask: int) -> int:
    return 200 + getsizeof(key) + weigh_mask(mask)


def _weigh_effects(key: Key, effects: Effects) -> int:
    return getsizeof(key) + weigh_effects(effects)
