"""Checks the limits of a workspace, whose lock the caller holds: parallel requests cannot exceed them."""

from diglot.conditions.computed.needed_history import find_kept_fault, iterate_needs
from diglot.errors import Fault, InvalidInput, LimitReached
from diglot.model.segments import Condition


def require_room(kind: str, limit: int, current: int, more: int = 1) -> None:
    """Raise `LimitReached` if `more` rows of a kind do not fit into a limit; 0 is no limit.

    A change that adds nothing always fits, so that a workspace above a lowered limit can be reduced.
    """
    if limit and more > 0 and current + more > limit:
        raise LimitReached(kind, limit, current, more)


def require_kept(condition: Condition, days: int) -> None:
    """Raise `InvalidInput` with the paths of rules that need events for longer than some days, 0 for ever."""
    if not days:
        return
    needs = condition.event_needs or iterate_needs(condition.tree, ())
    found = ((find_kept_fault(needed, days), path) for needed, path in needs)
    faults = [Fault(path, message) for message, path in found if message is not None]
    if faults:
        raise InvalidInput(faults)
