"""Counts the rules of a workspace, whose number is limited because each takes memory in every process."""

from typing import Final

from diglot.conditions import tree
from diglot.model.segments import Segment
from diglot.model.workspaces import WorkspaceLimits
from diglot.service.limits import require_room
from diglot.storage.write_unit import WriteUnit

# A condition counts as at least one rule for each so many characters of its stored form, because a rule may
# hold thousands of values. A rule with one short value has about a hundred characters.
CHARACTERS_OF_A_RULE: Final = 1_000


def count_rules(segment: Segment) -> int:
    """Return the number of rules that a segment counts as, with those of the segments that it references."""
    node = segment.full_tree
    return max(tree.count_rules(node), len(tree.encode(node)) // CHARACTERS_OF_A_RULE)


def add_rules(unit: WriteUnit, more: int, limits: WorkspaceLimits) -> None:
    """Add to the rules of the workspace; `more` may be negative. Raise `LimitReached`."""
    require_room("rules over all segments", limits.rules, unit.row.rule_count, more)
    unit.row.rule_count += more
