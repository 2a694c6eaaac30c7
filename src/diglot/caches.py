"""Caches of a process: bounded in size, with the least recently used entries evicted first.

A cache is never the source of truth: the key, or a version stored with the value, says whether it is current.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

from cachetools import Cache, LRUCache

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class SharedCache(Generic[K, V]):
    """A cache for several threads, because units of work on SQLite run on one thread for each connection."""

    def __init__(self, max_weight: int, weigh: Callable[[V], int] | None = None) -> None:
        self.max_weight = max_weight
        self._lock = Lock()
        # A value that is heavier than the whole cache is kept alone, because reading it again costs most.
        limited = None if weigh is None else lambda value: min(weigh(value), max_weight)
        self._values: LRUCache[K, V] = LRUCache(max_weight, limited)

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None; this counts as a use of the key."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Store a value, and evict others while the total weight exceeds the limit."""
        with self._lock:
            self._values[key] = value

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._values.clear()

    def copy(self) -> dict[K, V]:
        """Return all keys and values without counting a use."""
        with self._lock:
            return {key: Cache.__getitem__(self._values, key) for key in self._values}

    def __len__(self) -> int:
        return len(self._values)


class CacheSlot(Generic[T]):
    """A typed key of one cache in every `ProcessCache`, with the function that creates the cache."""

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self.name = name
        self.make = make


class ProcessCache:
    """The caches that a process has for one database, by slot."""

    def __init__(self) -> None:
        self._caches: dict[CacheSlot[Any], Any] = {}
        self._lock = Lock()

    def of(self, slot: CacheSlot[T]) -> T:
        """Return the cache of a slot, created at its first use."""
        cache_ = self._caches.get(slot)
        if cache_ is None:
            with self._lock:
                cache_ = self._caches.setdefault(slot, slot.make())
        typed_cache: T = cache_
        return typed_cache

    def by_name(self) -> dict[str, Any]:
        """Return the created caches by the names of their slots."""
        with self._lock:
            return {slot.name: cache_ for slot, cache_ in self._caches.items()}

    def clear(self) -> None:
        """Remove all caches."""
        with self._lock:
            self._caches.clear()
