"""The rules as templates draw them: each part with its id, its choices and the kind of its input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from diglot.conditions.fields import ATTRIBUTE_PREFIX, STATUSES
from diglot.console.builder.choices import FieldChoices
from diglot.console.builder.fields import ATTRIBUTE, FAMILIES, Family, can_have_where
from diglot.console.builder.nodes import (
    ROOT,
    GroupForm,
    NodeForm,
    RawForm,
    RuleForm,
    child_id,
    iterate_nodes,
    where_id,
)
from diglot.console.builder.operands import CHOSEN_TYPES, TYPE_LABELS, is_list, list_types, list_words
from diglot.console.words import say_operator
from diglot.service.audience.vocabulary import Vocabulary

# So many choices the page draws in all rules on segments and lists together.
_MOST_OPTIONS: Final = 4_000
Options = Sequence[tuple[str, str]]
_CHOICES: Final[Mapping[str, Mapping[str, str]]] = {
    "boolean": {"true": "yes", "false": "no"},
    "status": {status: status for status in STATUSES},
}


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule: what is chosen, and what can be; `widget` is the kind of input of its values, if it has any."""

    id: str
    rule: RuleForm
    family: Family | None
    choice: str
    words: Options
    types: Options
    type: str
    widget: str
    options: Options
    suggestions: str
    can_have_where: bool
    where: "GroupView | None"
    kind: str = "rule"


@dataclass(frozen=True, slots=True)
class RawView:
    """A rule as JSON text."""

    id: str
    text: str
    kind: str = "json"


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group with its items; `level` is 1 for the outermost."""

    id: str
    mode: str
    items: "Sequence[RuleView | RawView | GroupView]"
    level: int
    kind: str = "group"


@dataclass(slots=True)
class Drawing:
    """The rules of a form with what they can name."""

    known: Vocabulary
    segment: str
    most_options: int = _MOST_OPTIONS
    # The ids of the lists of examples by field, of those fields that rules have.
    suggested: dict[str, str] = field(default_factory=dict)
    fields: FieldChoices = field(init=False)

    def __post_init__(self) -> None:
        self.fields = FieldChoices(self.known)

    @property
    def suggestions(self) -> Mapping[str, Sequence[str]]:
        """The examples of values by the id of their list."""
        return {id_: self.known.examples[name].values for name, id_ in self.suggested.items()}

    def draw_rules(self, group: GroupForm) -> GroupView:
        """Return the outermost group."""
        rules = sum(isinstance(node, RuleForm) for _, node in iterate_nodes(group))
        self.most_options = max(20, _MOST_OPTIONS // max(1, rules))
        return self._draw_group(group, ROOT, 1)

    def _draw_group(self, group: GroupForm, id_: str, level: int) -> GroupView:
        items = [self._draw(item, child_id(id_, index), level) for index, item in enumerate(group.items)]
        return GroupView(id_, group.mode, items, level)

    def _draw(self, node: NodeForm, id_: str, level: int) -> "RuleView | RawView | GroupView":
        if isinstance(node, GroupForm):
            return self._draw_group(node, id_, level + 1)
        return RawView(id_, node.text) if isinstance(node, RawForm) else self._draw_rule(node, id_, level)

    def _draw_rule(self, rule: RuleForm, id_: str, level: int) -> RuleView:
        chosen = rule.field
        family = FAMILIES.get(chosen.family)
        words = [] if family is None else list_words(chosen)
        word = rule.operator if rule.operator in words else ""
        types = list_types(chosen, word) if word else ()
        type_ = rule.type if rule.type in types else next(iter(types), "")
        where = None if rule.where is None else self._draw_group(rule.where, where_id(id_), level)
        return RuleView(
            id_,
            rule,
            family,
            self._find_choice(rule),
            [(one, say_operator(one)) for one in words],
            [(one, TYPE_LABELS[one]) for one in types] if len(types) > 1 else [],
            type_,
            _find_widget(type_, word),
            self._list_options(type_, rule.values),
            self._suggest(rule, type_),
            family is not None and can_have_where(chosen),
            where,
        )

    def _find_choice(self, rule: RuleForm) -> str:
        """Return the value of the chosen option of the list of fields."""
        name = rule.field.name
        is_listed = rule.field.family == ATTRIBUTE and name in self.fields.attributes
        return f"{ATTRIBUTE}:{name}" if is_listed else rule.field.family

    def _list_options(self, type_: str, values: Sequence[str]) -> Options:
        """Return the choices, the chosen ones first, because the order of the page is that of the values."""
        if type_ not in CHOSEN_TYPES:
            return ()
        names = self._name_choices(type_)
        others = [(value, name) for value, name in names.items() if value not in values]
        return [*((one, names.get(one, one)) for one in values if one), *others[: self.most_options]]

    def _name_choices(self, type_: str) -> Mapping[str, str]:
        """Return the values that one can choose, with their names."""
        if type_ == "segment":
            return {id_: name for id_, name in self.known.segments.items() if id_ != self.segment}
        return self.known.lists if type_ == "list" else _CHOICES[type_]

    def _suggest(self, rule: RuleForm, type_: str) -> str:
        """Return the id of the list of examples for the values of a rule, or an empty text."""
        if type_ == "tag":
            return "known-tags"
        is_attribute = rule.field.family == ATTRIBUTE
        name = ATTRIBUTE_PREFIX + rule.field.name if is_attribute else rule.field.family
        if type_ in CHOSEN_TYPES or name not in self.known.examples:
            return ""
        return self.suggested.setdefault(name, f"examples-{len(self.suggested)}")


def _find_widget(type_: str, word: str) -> str:
    if not type_:
        return ""
    if type_ in CHOSEN_TYPES:
        return "checks" if is_list(word) else "select"
    return "lines" if is_list(word) else type_
