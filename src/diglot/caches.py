"""What a process remembers: caches of a bounded size, of which those used longest ago are dropped first.

A cache is never the truth: its key or a version that is stored with the value says whether it still holds.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

from cachetools import Cache, LRUCache

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class SharedCache(Generic[K, V]):
    """A cache that several threads use; units of work on SQLite run on one thread for each connection."""

    def __init__(self, max_weight: int, weigh: Callable[[V], int] | None = None) -> None:
        self.max_weight = max_weight
        self._lock = Lock()
        # A value that is heavier than the whole cache is kept alone, because reading it again costs most.
        limited = None if weigh is None else lambda value: min(weigh(value), max_weight)
        self._values: LRUCache[K, V] = LRUCache(max_weight, limited)

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None; the key counts as used now."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Store a value, and drop others while all together weigh too much."""
        with self._lock:
            self._values[key] = value

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._values.clear()

    def copy(self) -> dict[K, V]:
        """Return all keys and values; none of them counts as used."""
        with self._lock:
            return {key: Cache.__getitem__(self._values, key) for key in self._values}

    def __len__(self) -> int:
        return len(self._values)


class CacheSlot(Generic[T]):
    """The place of one cache in every `ProcessCache`, and how it is made there."""

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self.name = name
        self.make = make


class ProcessCache:
    """The caches that a process has of one database: each has a slot, which knows its type."""

    def __init__(self) -> None:
        self._caches: dict[CacheSlot[Any], Any] = {}
        self._lock = Lock()

    def of(self, slot: CacheSlot[T]) -> T:
        """Return the cache of a slot, made when it is first needed."""
        found = self._caches.get(slot)
        if found is None:
            with self._lock:
                found = self._caches.setdefault(slot, slot.make())
        made: T = found
        return made

    def by_name(self) -> dict[str, Any]:
        """Return the caches that were made, by the names of their slots."""
        with self._lock:
            return {slot.name: one for slot, one in self._caches.items()}

    def clear(self) -> None:
        """Drop all caches."""
        with self._lock:
            self._caches.clear()
