"""The look-up of a reading whose values are keys: texts, tags, lists, and numbers that have to be equal."""

from collections.abc import Sequence
from sys import getsizeof

from diglot.caches import Memo
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.asked import Asked, Setting, group_by_key, set_masks_of
from diglot.conditions.index.masks import weigh_mask
from diglot.conditions.index.questions import AnyOf, Key, Reading
from diglot.conditions.index.readings import reader_of
from diglot.conditions.index.set_masks import Effects, weigh_effects


class KeyLookup:
    """Finds the tests that ask for the keys of a contact."""

    __slots__ = ("_by_key", "_effects", "_find_known", "_found", "_masks", "_read", "missing")

    def __init__(self, reading: Reading, asked: Sequence[Asked], setting: Setting) -> None:
        self._masks = set_masks_of(asked, setting)
        self.missing = self._masks.missing
        self._read = reader_of(reading)
        tests = [one.test for one in asked if isinstance(one.test, AnyOf)]
        self._by_key = group_by_key((key, number) for number, test in enumerate(tests) for key in test.keys)
        self._find_known = frozenset(self._by_key).intersection
        # Masks by the keys that a contact has and a test asks for: by the key alone if it is one. And what
        # each of several keys does, because the same ones seldom come together again.
        self._found: Memo[Key | frozenset[Key], int] = setting.budget.memo(_weigh_found)
        self._effects: Memo[Key, Effects] = setting.budget.memo(_weigh_effects)

    def ask(self, view: ContactView, _now: int) -> int:
        """Return the gates that are ruled out for a contact."""
        keys = self._read(view)
        if len(keys) == 1:
            (key,) = keys
            mask = self._found.recent.get(key)
            return self._find_one(key) if mask is None else mask
        known = self._find_known(keys)
        mask = self._found.get(known)
        if mask is None:
            mask = self._found.put(known, self._masks.combine([self._effects_of(key) for key in known]))
        return mask

    def _find_one(self, key: Key) -> int:
        if key not in self._by_key:
            return self.missing()
        mask = self._found.get(key)
        if mask is None:
            effects = self._masks.effects_of(self._by_key[key])
            mask = self._found.put(key, self._masks.combine([effects]))
        return mask

    def _effects_of(self, key: Key) -> Effects:
        effects = self._effects.get(key)
        if effects is None:
            effects = self._effects.put(key, self._masks.effects_of(self._by_key[key]))
        return effects


def _weigh_found(keys: Key | frozenset[Key], mask: int) -> int:
    return 400 + getsizeof(keys) + weigh_mask(mask)


def _weigh_effects(key: Key, effects: Effects) -> int:
    return getsizeof(key) + weigh_effects(effects)
