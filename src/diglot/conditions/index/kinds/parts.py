"""The look-up of folded texts: which of many parts a text contains, begins with or ends with.

Parts are found by what the text has at each place: its first characters there say which lengths of parts may
follow, and a dictionary holds the parts. Measured with 10,000 parts and texts of 12 and 100 characters: one
by one they take 480 and 1,207 us. An automaton (Aho-Corasick) takes 3.3 and 48 us, but 300 bytes for each
character of a part.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from sys import getsizeof
from typing import Final

from diglot.caches import Memo
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.asked import Asked, Setting, set_masks_of
from diglot.conditions.index.masks import weigh_mask
from diglot.conditions.index.questions import FoldedTexts, HasPart, Reading
from diglot.conditions.index.readings import reader_of
from diglot.conditions.tree import Op

# Fewer parts are searched one by one.
_FEW: Final = 100
# Longer parts are found by their beginnings, because a text may cost a look-up for each length at each place.
_MAX_LENGTH: Final = 32
_PREFIX: Final = 3

# The numbers of the tests that ask for each part.
Numbers = Mapping[str, Sequence[int]]
# Adds the numbers of the tests that are true of a text to a list.
_AddFound = Callable[[str, list[int]], None]


class PartFinder:
    """Tests on the folded texts of one field, by their numbers."""

    def __init__(self, tests: Iterable[HasPart]) -> None:
        parts: dict[Op, defaultdict[str, list[int]]] = {
            op: defaultdict(list) for op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH)
        }
        elements: defaultdict[str, list[int]] = defaultdict(list)
        for number, test in enumerate(tests):
            parts[test.op][test.part].append(number)
            if test.element is not None:
                elements[test.element].append(number)
        self._elements: Numbers = elements
        contained = [_Contained(parts[Op.CONTAINS])] if parts[Op.CONTAINS] else []
        ends = [
            _Beginnings(parts[op], is_reversed=op is Op.ENDS_WITH)
            for op in (Op.STARTS_WITH, Op.ENDS_WITH)
            if parts[op]
        ]
        # Nobody looks for the elements of an array in its texts.
        self._of_arrays: list[_AddFound] = [finder.add_found for finder in ends]
        self._of_scalars = [*(finder.add_found for finder in contained), *self._of_arrays]

    def find(self, value: FoldedTexts) -> frozenset[int]:
        """Return the numbers of the tests that are true."""
        found: list[int] = []
        texts, elements = value
        for element in elements or ():
            found += self._elements.get(element, ())
        finders = self._of_scalars if elements is None else self._of_arrays
        for text in texts:
            for add_found in finders:
                add_found(text, found)
        return frozenset(found)


class _Beginnings:
    """Parts that a text may begin with, or end with: then of the reversed text."""

    def __init__(self, parts: Numbers, *, is_reversed: bool) -> None:
        self._step = -1 if is_reversed else 1
        self._parts = {part[:: self._step]: numbers for part, numbers in parts.items()}
        self._shortest = min(map(len, parts))
        self._lengths = _lengths_by_prefix(self._parts, self._shortest)

    def add_found(self, text: str, found: list[int]) -> None:
        """Add the numbers of the parts that a text begins with."""
        text = text[:: self._step]
        for length in self._lengths.get(text[: self._shortest], ()):
            found += self._parts.get(text[:length], ())


class _Contained:
    """Parts that a text may contain."""

    def __init__(self, parts: Numbers) -> None:
        is_few = len(parts) < _FEW
        self._few = [(part, numbers) for part, numbers in parts.items() if is_few or not part]
        many = {} if is_few else {part: numbers for part, numbers in parts.items() if part}
        self._short = {part: numbers for part, numbers in many.items() if len(part) <= _MAX_LENGTH}
        # Longer ones by their beginning, which a text has to contain first.
        self._long: defaultdict[str, list[tuple[str, Sequence[int]]]] = defaultdict(list)
        for part, numbers in many.items():
            if part not in self._short:
                self._long[part[:_MAX_LENGTH]].append((part, numbers))
        self._lengths = _lengths_by_prefix((*self._short, *self._long), _PREFIX)
        # How many characters the prefixes have: fewer than _PREFIX if a part has fewer.
        self._prefixes = sorted({len(prefix) for prefix in self._lengths})

    def add_found(self, text: str, found: list[int]) -> None:
        """Add the numbers of the parts that a text contains."""
        for numbers in [numbers for part, numbers in self._few if part in text]:
            found += numbers
        begun: set[str] = set()
        for piece in set(self._pieces(text)) if self._prefixes else ():
            found += self._short.get(piece, ())
            if piece in self._long:
                begun.add(piece)
        for beginning in begun:
            for numbers in [numbers for part, numbers in self._long[beginning] if part in text]:
                found += numbers

    def _pieces(self, text: str) -> Iterator[str]:
        """Yield the pieces of a text that begin like a part and are as long."""
        lengths = self._lengths
        for size in self._prefixes:
            for start in [at for at in range(len(text)) if text[at : at + size] in lengths]:
                for length in lengths[text[start : start + size]]:
                    yield text[start : start + length]


def _lengths_by_prefix(parts: Iterable[str], size: int) -> Mapping[str, Sequence[int]]:
    """Return the lengths of the parts with the same first characters."""
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for part in parts:
        lengths[part[:size]].add(len(part))
    return {prefix: sorted(found) for prefix, found in lengths.items()}


class PartLookup:
    """Finds the tests for parts of the texts of a contact.

    Masks are remembered by the tests that are true, because many texts have the same ones.
    """

    __slots__ = ("_find", "_find_mask", "_masks", "_read", "missing")

    def __init__(self, reading: Reading, asked: Sequence[Asked], setting: Setting) -> None:
        masks = set_masks_of(asked, setting)
        self.missing, self._find_mask = masks.missing, masks.ruled_out
        self._read = reader_of(reading)
        self._find = PartFinder([one.test for one in asked if isinstance(one.test, HasPart)]).find
        self._masks: Memo[frozenset[int], int] = setting.budget.memo(_weigh_tests)

    def ask(self, view: ContactView, _now: int) -> int:
        """Return the gates that are ruled out for a contact."""
        value = self._read(view)
        if not value.texts:
            return self.missing()
        true = self._find(value)
        mask = self._masks.get(true)
        return self._masks.put(true, self._find_mask(true)) if mask is None else mask


def _weigh_tests(true: frozenset[int], mask: int) -> int:
    return 400 + getsizeof(true) + weigh_mask(mask)
