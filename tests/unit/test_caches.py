"""Caches of a process: bounded, shared by threads, and typed by their slots."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

from diglot.caches import CacheSlot, ProcessCache, SharedCache


def test_what_was_used_longest_ago_is_dropped() -> None:
    """A look at a value counts as its use; a copy of all does not."""
    cache = SharedCache[str, int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    assert cache.copy() == {"a": 1, "b": 2}
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)
    cache.clear()
    assert cache.copy() == {}


def test_weight_is_what_is_bounded() -> None:
    """A heavy value drops others, and one heavier than the whole cache is kept alone."""
    cache = SharedCache[str, str](6, lambda _, value: len(value))
    for value in ("aa", "bb", "cc"):
        cache.put(value[0], value)
    cache.put("d", "dddd")
    assert cache.copy() == {"c": "cc", "d": "dddd"}
    cache.put("e", "e" * 100)
    assert cache.copy() == {"e": "e" * 100}
    cache.put("f", "f")
    assert cache.copy() == {"f": "f"}


def test_a_value_may_grow() -> None:
    """The new weight of a key counts in place of the old one."""
    cache = SharedCache[str, str](6, lambda _, value: len(value))
    cache.put("a", "a")
    cache.put("b", "bb")
    cache.put("b", "bbbbbb")
    assert cache.copy() == {"b": "bbbbbb"}
    cache.put("b", "b")
    cache.put("a", "aaaaa")
    assert cache.copy() == {"a": "aaaaa", "b": "b"}


def test_threads_share_a_cache() -> None:
    """The bound holds and nothing is raised, however calls meet."""
    cache = SharedCache[int, int](10, lambda _, value: 1 + value % 3)

    def use(seed: int) -> None:
        rng = Random(seed)
        for _ in range(5_000):
            key = rng.randint(0, 40)
            assert cache.get(key) in (None, key)
            cache.put(key, key)
            if not rng.randint(0, 100):
                cache.clear()
                cache.copy()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(4)))
    assert sum(1 + value % 3 for value in cache.copy().values()) <= 10


def test_each_process_cache_has_its_own() -> None:
    """A slot names a cache in every one, made where it is needed first."""
    slot = CacheSlot[SharedCache[int, str]]("names", 0.5, SharedCache)
    one, other = ProcessCache(2), ProcessCache()
    one.of(slot).put(1, "one")
    assert one.of(slot).get(1) == "one"
    assert other.by_name() == {}
    assert other.of(slot).get(1) is None
    assert list(other.by_name()) == ["names"]
    assert (one.of(slot).max_weight, one.of(slot).weight) == (1, 1)
    counted = CacheSlot[SharedCache[int, str]]("counted", 0, lambda _: SharedCache(3))
    one.of(counted).put(1, "one")
    assert one.weights() == {"names": 1}, "the other weighs nothing in bytes"
    one.clear()
    assert one.of(slot).get(1) is None
    one.resize(6)
    assert one.of(slot).max_weight == 3
