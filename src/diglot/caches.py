"""Caches of a process: bounded in bytes, with the least recently used entries evicted first.

A cache is never the source of truth: the key, or a version stored with the value, says whether it is current.
Weights are estimates in bytes of what an entry holds, because one client decides how heavy its entries are.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, Final, Generic, Protocol, TypeVar

from cachetools import Cache, LRUCache

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
MEBIBYTE: Final = 1024 * 1024
DEFAULT_CACHE_MEGABYTES: Final = 128


class SharedCache(Generic[K, V]):
    """A cache for several threads, because units of work on SQLite run on one thread for each connection.

    Without `weigh` each entry weighs 1.
    """

    def __init__(self, max_weight: int, weigh: Callable[[K, V], int] = lambda _key, _value: 1) -> None:
        self.max_weight = max_weight
        self._weigh = weigh
        self._lock = Lock()
        # Values with their weights, which are estimated once.
        self._values: LRUCache[K, tuple[V, int]] = LRUCache(max_weight, lambda value: value[1])
        # The entry that was used last, which needs no lock and is the most recent one already.
        self._last: tuple[K, V] | None = None

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None; this counts as a use of the key."""
        last = self._last
        if last is not None and (last[0] is key or last[0] == key):
            return last[1]
        with self._lock:
            try:
                value = self._values[key][0]
            except KeyError:
                return None
            self._last = key, value
            return value

    def put(self, key: K, value: V) -> None:
        """Store a value, and evict others while the total weight exceeds the limit."""
        # A value that is heavier than the whole cache is kept alone, because reading it again costs most.
        weight = min(self._weigh(key, value), self.max_weight)
        with self._lock:
            self._last = None
            self._values[key] = value, weight

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._last = None
            self._values.clear()

    def copy(self) -> dict[K, V]:
        """Return all keys and values without counting a use."""
        with self._lock:
            return {key: Cache.__getitem__(self._values, key)[0] for key in self._values}

    @property
    def weight(self) -> int:
        """The weight of all entries."""
        return int(self._values.currsize)

    def __len__(self) -> int:
        return len(self._values)


class Weighty(Protocol):
    """A value that knows its weight, which may grow while it is remembered."""

    @property
    def weight(self) -> int: ...


M = TypeVar("M", bound=Weighty)


class LoopMemo(Generic[K, M]):
    """A cache for the event loop alone, which forgets in two generations.

    When the values that were put or used lately weigh half of the limit, all others are dropped. A hit costs
    0.1 us; the least recently used order of `SharedCache` costs 2 us, which is much of a remembered answer.
    """

    def __init__(self, max_weight: int) -> None:
        self.max_weight = max_weight
        self._young: dict[K, M] = {}
        self._old: dict[K, M] = {}
        self._young_weight = 0

    def get(self, key: K) -> M | None:
        """Return the value of a key, or None; this counts as a use of the key."""
        value = self._young.get(key)
        if value is None and (value := self._old.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: M) -> None:
        """Store a value."""
        self._old.pop(key, None)
        self._young[key] = value
        self.note_growth(value.weight)

    def note_growth(self, weight: int) -> None:
        """Count what a value that was just put or used weighs more, and drop others if that is too much."""
        self._young_weight += weight
        if self._young_weight * 2 > self.max_weight:
            self._old, self._young, self._young_weight = self._young, {}, 0

    def clear(self) -> None:
        """Forget all values."""
        self._old, self._young, self._young_weight = {}, {}, 0

    @property
    def weight(self) -> int:
        """The weight of all values."""
        return sum(value.weight for each in (self._young, self._old) for value in each.values())

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


class CacheSlot(Generic[T]):
    """A typed key of one cache in every `ProcessCache`, with the function that creates it for some bytes.

    `share` is the part of the bytes of all caches that this one may use. One that `is_of_writers` may hold
    what a unit read of others in its commit.
    """

    def __init__(
        self, name: str, share: float, make: Callable[[int], T], *, is_of_writers: bool = False
    ) -> None:
        self.name = name
        self.share = share
        self.make = make
        self.is_of_writers = is_of_writers


class ProcessCache:
    """The caches that a process has for one database, by slot, of a number of bytes together."""

    def __init__(self, max_bytes: int = DEFAULT_CACHE_MEGABYTES * MEBIBYTE) -> None:
        self._max_bytes = max_bytes
        self._caches: dict[CacheSlot[Any], Any] = {}
        self._lock = Lock()

    def of(self, slot: CacheSlot[T]) -> T:
        """Return the cache of a slot, created at its first use."""
        cache_ = self._caches.get(slot)
        if cache_ is None:
            with self._lock:
                cache_ = self._caches.setdefault(slot, slot.make(int(slot.share * self._max_bytes)))
        typed_cache: T = cache_
        return typed_cache

    def by_name(self) -> dict[str, Any]:
        """Return the created caches by the names of their slots."""
        with self._lock:
            return {slot.name: cache_ for slot, cache_ in self._caches.items()}

    def weights(self) -> dict[str, int]:
        """Return the bytes that caches which share the bytes hold, by the names of their slots."""
        with self._lock:
            return {slot.name: cache_.weight for slot, cache_ in self._caches.items() if slot.share}

    def clear(self) -> None:
        """Remove all caches."""
        with self._lock:
            self._caches.clear()

    def forget_uncommitted(self) -> None:
        """Remove the caches of writers, because a commit of several units failed."""
        with self._lock:
            self._caches = {slot: one for slot, one in self._caches.items() if not slot.is_of_writers}

    def resize(self, max_bytes: int) -> None:
        """Set the number of bytes, and remove all caches."""
        with self._lock:
            self._max_bytes = max_bytes
            self._caches.clear()


_EMPTY: Final[dict[Any, Any]] = {}


class Memo(Generic[K, V]):
    """A cache whose hits cost no more than a look-up in a dictionary; it shares its bytes with others.

    Threads may use it at the same time. A value is never None.
    """

    __slots__ = ("_budget", "_weigh", "older", "recent")

    def __init__(self, budget: "MemoBudget", weigh: Callable[[K, V], int]) -> None:
        self._budget = budget
        self._weigh = weigh
        # Most memos of a large index stay empty.
        self.recent: dict[K, V] = _EMPTY
        self.older: dict[K, V] = _EMPTY

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        value = self.recent.get(key)
        if value is None:
            value = self.older.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> V:
        """Store a value and return it."""
        self._budget.spend(self, self._weigh(key, value))
        # Another thread may make the recent values the older ones meanwhile, and nobody may store in _EMPTY.
        recent = self.recent
        if recent is _EMPTY:
            recent = self.recent = {}
        recent[key] = value
        return value


class MemoBudget:
    """The bytes that several memos use together.

    Once the recent values weigh half of them, they become the older ones, and the older ones that nobody has
    asked for meanwhile are forgotten.
    """

    __slots__ = ("_lock", "_older", "_recent", "max_bytes", "spent")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.spent = 0
        self._lock = Lock()
        # The memos with recent values, and those with older ones.
        self._recent: set[Memo[Any, Any]] = set()
        self._older: set[Memo[Any, Any]] = set()

    def memo(self, weigh: Callable[[K, V], int]) -> Memo[K, V]:
        """Return a new memo; `weigh` estimates the bytes of an entry."""
        return Memo(self, weigh)

    def spend(self, memo: Memo[Any, Any], size: int) -> None:
        """Count bytes that a memo is about to store."""
        with self._lock:
            self.spent += size
            if self.spent > self.max_bytes // 2:
                self._age()
                self.spent = size
            self._recent.add(memo)

    def _age(self) -> None:
        for memo in self._older - self._recent:
            memo.older = _EMPTY
        for memo in self._recent:
            memo.older, memo.recent = memo.recent, _EMPTY
        self._older, self._recent = self._recent, set()
