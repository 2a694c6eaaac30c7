"""Collects the ids of members, which come in windows."""

from diglot.model.pages import AllIds


async def collect_ids(ids: AllIds) -> list[str]:
    """Return the first ids and the rest."""
    result = list(ids.page.items)
    if ids.rest is not None:
        async for window in ids.rest:
            result += window
    return result
