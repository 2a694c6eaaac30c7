"""Memos share a number of bytes, and forget what was not asked for lately."""

from concurrent.futures import ThreadPoolExecutor

from diglot.caches import Memo, MemoBudget


def weigh(_key: object, value: int) -> int:
    """Weigh an entry."""
    return value


def test_a_memo_keeps_what_is_asked_for() -> None:
    """An entry that is asked for again and again survives any number of others."""
    memo: Memo[str, int] = MemoBudget(100).memo(weigh)
    assert memo.get("often") is None
    assert memo.put("often", 10) == 10
    for number in range(100):
        memo.put(f"seldom {number}", 10)
        assert memo.get("often") == 10
    assert memo.get("seldom 0") is None
    assert memo.get("seldom 99") == 10


def test_memos_share_their_bytes() -> None:
    """What one memo stores makes another forget, and all entries weigh no more than the limit."""
    budget = MemoBudget(1_000)
    memos: list[Memo[int, int]] = [budget.memo(weigh) for _ in range(3)]
    for number in range(500):
        memos[number % 3 if number < 250 else 2].put(number, 1 + number % 90)
        entries = [value for memo in memos for value in (memo.recent | memo.older).values()]
        assert sum(entries) <= 1_000
    assert not memos[0].recent
    assert not memos[0].older


def test_an_entry_heavier_than_all_bytes_is_kept_alone() -> None:
    """It makes the others old, and is forgotten with them."""
    memo: Memo[int, int] = MemoBudget(100).memo(weigh)
    memo.put(1, 40)
    memo.put(2, 1_000)
    assert (memo.get(2), memo.older) == (1_000, {1: 40})
    memo.put(3, 1_000)
    assert (memo.recent, memo.older) == ({3: 1_000}, {2: 1_000})


def test_threads_share_a_memo() -> None:
    """Several threads store and find values, and the bytes stay bounded."""
    budget = MemoBudget(10_000)
    memo: Memo[int, int] = budget.memo(weigh)

    def work(thread: int) -> None:
        for number in range(2_000):
            memo.put(number * (thread + 1) % 700, 7)
            assert memo.get(number) in {None, 7}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert budget.spent <= budget.max_bytes // 2
