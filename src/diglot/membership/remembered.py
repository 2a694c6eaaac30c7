"""What a process remembers of workspaces: of those that were asked for last, as much as there is room for."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def get_cached(kept: OrderedDict[int, T], workspace: int) -> T | None:
    """Return what is remembered of a workspace; others are forgotten before it now."""
    # Another thread may forget it meanwhile.
    with suppress(KeyError):
        kept.move_to_end(workspace)
    return kept.get(workspace)


def put_cached(
    kept: OrderedDict[int, T], workspace: int, found: T, weight: Callable[[T], int], most: int
) -> None:
    """Remember something of a workspace, and forget others while all together weigh more than so much.

    They are weighed when another workspace comes, not with every write of one: what is remembered of one
    grows no further than its segments.
    """
    came = workspace not in kept
    kept[workspace] = found
    # Other threads may forget some meanwhile.
    with suppress(KeyError):
        kept.move_to_end(workspace)
        while came and len(kept) > 1 and sum(weight(one) for one in list(kept.values())) > most:
            kept.popitem(last=False)
