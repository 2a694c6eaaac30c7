"""Checks the limits of a workspace, whose lock the caller holds: parallel requests cannot exceed them."""

from diglot.errors import LimitReached


def require_room(kind: str, limit: int, current: int, more: int = 1) -> None:
    """Raise `LimitReached` if `more` rows of a kind do not fit into a limit; 0 is no limit.

    A change that adds nothing always fits, so that a workspace above a lowered limit can be reduced.
    """
    if limit and more > 0 and current + more > limit:
        raise LimitReached(kind, limit, current, more)
