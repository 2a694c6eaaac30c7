"""Vocabularies of the realistic mix: a few words are frequent and most are rare, as in real workspaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_SYLLABLES: Final = [
    "ba",
    "den",
    "fu",
    "gor",
    "hei",
    "jan",
    "ka",
    "lu",
    "mo",
    "ni",
    "or",
    "pe",
    "qui",
    "ra",
    "stein",
    "ta",
    "ul",
    "vi",
    "wer",
    "xa",
    "yor",
    "zu",
]
PLANS: Final = ("free", "starter", "pro", "team", "business", "enterprise", "trial")
ENDINGS: Final = ("com", "de", "io", "org", "fr", "co.uk")


@dataclass(frozen=True)
class Vocabulary(Generic[T]):
    """Words of which the k-th is drawn with a weight of 1 / k ** exponent (Zipf's law)."""

    words: Sequence[T]
    cumulative: Sequence[float]

    @classmethod
    def of(cls, words: Sequence[T], exponent: float) -> "Vocabulary[T]":
        """Return the vocabulary of words in order of their frequency."""
        weights = (1 / rank**exponent for rank in range(1, len(words) + 1))
        return cls(words, list(accumulate(weights)))

    def draw(self, rng: Random) -> T:
        """Return a word."""
        return rng.choices(self.words, cum_weights=self.cumulative)[0]

    def sample(self, rng: Random, count: int) -> list[T]:
        """Return up to a number of distinct words."""
        return list(dict.fromkeys(rng.choices(self.words, cum_weights=self.cumulative, k=count)))


def _invent(count: int, seed: int, least: int, most: int) -> list[str]:
    """Return distinct pronounceable words of some syllables; every twelfth has a letter outside ASCII."""
    rng, words = Random(seed), dict[str, None]()
    while len(words) < count:
        word = "".join(rng.choices(_SYLLABLES, k=rng.randint(least, most))).capitalize()
        words[word.replace("u", "ü") if len(words) % 12 == 0 else word] = None
    return list(words)


def _shuffled(values: Sequence[T], seed: int) -> list[T]:
    result = list(values)
    Random(seed).shuffle(result)
    return result


_POPULAR_DAYS: Final = (30, 7, 90, 14, 60, 180, 1, 365, 3, 120, 10, 45, 21, 5, 28)
_OTHER_DAYS: Final = [days for days in range(400) if days not in _POPULAR_DAYS]

FIRST_NAMES: Final = Vocabulary.of(_invent(800, 1, 2, 3), 0.9)
LAST_NAMES: Final = Vocabulary.of(_invent(3_000, 2, 2, 3), 0.8)
COMPANIES: Final = Vocabulary.of(_invent(2_000, 3, 2, 4), 0.8)
CITIES: Final = Vocabulary.of(_invent(2_000, 4, 2, 4), 0.9)
COUNTRIES: Final = Vocabulary.of(_invent(80, 5, 2, 4), 1.1)
TAGS: Final = Vocabulary.of([f"{word.lower()}-{n}" for n, word in enumerate(_invent(600, 6, 2, 3))], 0.8)
DOMAINS: Final = Vocabulary.of(
    [f"{word.lower().replace('ü', 'u')}.{ENDINGS[n % 6]}" for n, word in enumerate(_invent(1_500, 7, 2, 3))],
    1.0,
)
SOURCES: Final = Vocabulary.of(("web", "import", "api", "fair", "partner"), 0.8)
PLANS_BY_USE: Final = Vocabulary.of(PLANS, 0.8)
DAYS: Final = Vocabulary.of([*_POPULAR_DAYS, *_shuffled(_OTHER_DAYS, 8)], 1.1)
SCORES: Final = Vocabulary.of(_shuffled(range(101), 9), 0.6)
COUNTS: Final = Vocabulary.of(_shuffled(range(200), 10), 0.7)
MONEY: Final = Vocabulary.of(_shuffled([n * 2.5 for n in range(2_000)], 11), 0.9)
DATES: Final = Vocabulary.of(_shuffled(range(1_100), 12), 0.8)
