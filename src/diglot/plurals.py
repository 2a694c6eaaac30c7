"""Numbers of things in messages for people."""


def count_of(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`; `many` is the plural if it has no plain `s`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
