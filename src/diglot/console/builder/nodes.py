"""Rules as the form has them. Each part has an id: the root is `c`, its items `c-0`, `c-1` and so on.

The rules about the events of a rule `c-0` are a group `c-0-w`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diglot.api.rules.words import RULES, WHERE
from diglot.errors import Path

ROOT: Final = "c"
_WHERE: Final = "w"


@dataclass(frozen=True, slots=True)
class ChosenField:
    """A field as it is chosen: its family, and what the family needs to know, as text.

    `name` is an attribute, an event, a salt or a date; `window` is a number. `unit` is d, h or m, or empty
    for all time.
    """

    family: str
    name: str = ""
    property: str = ""
    window: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class RuleForm:
    """A rule in inputs: the canonical word of the operator, the type of the values, and these as text."""

    field: ChosenField
    operator: str
    type: str = ""
    values: tuple[str, ...] = ()
    where: "GroupForm | None" = None


@dataclass(frozen=True, slots=True)
class RawForm:
    """A rule as JSON text, because the inputs cannot show it."""

    text: str


@dataclass(frozen=True, slots=True)
class GroupForm:
    """A group: its mode, `all` or `any`, and its items."""

    mode: str = "all"
    items: "tuple[NodeForm, ...]" = ()


NodeForm = RuleForm | RawForm | GroupForm
NO_RULES: Final = GroupForm()


def child_id(parent: str, index: int) -> str:
    """Return the id of an item of a group."""
    return f"{parent}-{index}"


def where_id(rule: str) -> str:
    """Return the id of the group of rules about the events of a rule."""
    return f"{rule}-{_WHERE}"


def iterate_nodes(node: NodeForm, id_: str = ROOT) -> Iterator[tuple[str, NodeForm]]:
    """Yield a part and all parts within it with their ids, in order."""
    yield id_, node
    if isinstance(node, GroupForm):
        for index, item in enumerate(node.items):
            yield from iterate_nodes(item, child_id(id_, index))
    elif isinstance(node, RuleForm) and node.where is not None:
        yield from iterate_nodes(node.where, where_id(id_))


def list_ids(group: GroupForm) -> frozenset[str]:
    """Return the ids of all parts."""
    return frozenset(id_ for id_, _ in iterate_nodes(group))


def find_part(ids: frozenset[str], path: Path) -> tuple[str, Path]:
    """Return the id of the innermost part on a path in the written condition, and the rest of the path.

    Within a rule that is shown as JSON the path goes on, but the form has no part.
    """
    id_, rest = _follow(path)
    while id_ not in ids:
        id_ = id_.rpartition("-")[0]
    return id_, rest


def _follow(path: Path) -> tuple[str, Path]:
    id_, at = ROOT, 0
    while at < len(path):
        after = path[at + 1] if at + 1 < len(path) else None
        if path[at] == RULES and isinstance(after, int):
            id_, at = child_id(id_, after), at + 2
        elif path[at] == WHERE:
            id_, at = where_id(id_), at + 1
        else:
            break
    return id_, path[at:]
