"""Reads the rules in a form: names such as `c-0.field`, each beginning with the id of a part.

A form that does not have all parts that it names is refused, because a missing rule would widen a segment.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diglot.api.rules.reading import MAX_ITEMS_READ
from diglot.conditions.check import MAX_DEPTH
from diglot.console.builder.fields import ATTRIBUTE
from diglot.console.builder.nodes import (
    ROOT,
    ChosenField,
    GroupForm,
    NodeForm,
    RawForm,
    RuleForm,
    child_id,
    where_id,
)
from diglot.console.forms import Form
from diglot.errors import MalformedRequest

# A group deeper than a condition may be is read, so that the check can say so.
_MOST_LEVELS: Final = MAX_DEPTH + 3
# Known attributes are choices of their own.
_ONE_ATTRIBUTE: Final = f"{ATTRIBUTE}:"


@dataclass(slots=True)
class _Reader:
    values: Mapping[str, Sequence[str]]
    parts_read: int = 0

    def get(self, name: str, default: str = "") -> str:
        return self.values[name][0] if name in self.values else default

    def read_group(self, id_: str, level: int = 1) -> GroupForm:
        if level > _MOST_LEVELS:
            raise MalformedRequest("The form has too many groups in groups")
        items: list[NodeForm] = []
        while f"{child_id(id_, len(items))}.kind" in self.values:
            items.append(self.read_item(child_id(id_, len(items)), level))
        return GroupForm("any" if self.get(f"{id_}.mode") == "any" else "all", tuple(items))

    def read_item(self, id_: str, level: int) -> NodeForm:
        self.parts_read += 1
        if self.parts_read > MAX_ITEMS_READ:
            raise MalformedRequest("The form has too many rules")
        kind = self.get(f"{id_}.kind")
        if kind == "group":
            return self.read_group(id_, level + 1)
        return RawForm(self.get(f"{id_}.json")) if kind == "json" else self.read_rule(id_, level)

    def read_rule(self, id_: str, level: int) -> RuleForm:
        parts = ("family", "name", "property", "window", "unit")
        field = ChosenField(*(self.get(f"{id_}.{part}") for part in parts))
        if field.family.startswith(_ONE_ATTRIBUTE):
            field = ChosenField(ATTRIBUTE, field.family.removeprefix(_ONE_ATTRIBUTE))
        values = tuple(self.values.get(f"{id_}.value", ()))
        if self.get(f"{id_}.shown") == "lines":
            values = tuple(line for text in values for line in text.split("\n") if line)
        where = None
        if f"{where_id(id_)}.mode" in self.values:
            where = self.read_group(where_id(id_), level + 1)
        return RuleForm(field, self.get(f"{id_}.operator"), self.get(f"{id_}.type"), values, where)


def read_rules(form: Form) -> GroupForm:
    """Return the rules in a form; raise `MalformedRequest`."""
    values = defaultdict[str, list[str]](list)
    for name, value in form.pairs:
        values[name].append(value)
    reader = _Reader(dict(values))
    group = reader.read_group(ROOT)
    if reader.parts_read != sum(name.endswith(".kind") for name in values):
        raise MalformedRequest("The form is not complete: open the page again")
    return group
