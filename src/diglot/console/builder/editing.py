"""Changes of the rules in a form by a button or a choice, each named as `ACTION:ID`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from diglot.conditions.fields import ATTRIBUTE_PREFIX
from diglot.console.builder.fields import ATTRIBUTE, FAMILIES, PROPERTY, can_have_where
from diglot.console.builder.nodes import ROOT, ChosenField, GroupForm, NodeForm, RuleForm
from diglot.console.builder.operands import CHOSEN_TYPES, first_word, is_list, list_types, list_words
from diglot.service.audience.vocabulary import Vocabulary

_TYPES_OF_EXAMPLES: Final = {"text": "text", "number": "number", "boolean": "boolean", "date": "day"}
NEW_RULE: Final = RuleForm(ChosenField(""), "")
_NEW_PROPERTY: Final = RuleForm(ChosenField(PROPERTY), "equals", "text")
Change = Callable[[NodeForm], NodeForm | None]


def change_rules(group: GroupForm, action: str, known: Vocabulary) -> tuple[GroupForm, str]:
    """Return the rules after an action, and the id of the part that is to have the focus.

    An action that the rules do not have, such as one on a rule that is gone, changes nothing.
    """
    name, _, id_ = action.partition(":")
    change = _CHANGES.get(name)
    if name == "choose":
        change = lambda node: _settle(node, known)  # noqa: E731
    steps = id_.split("-")[1:] if id_.startswith(ROOT) else None
    if change is None or steps is None:
        return group, ""
    changed = _change_at(group, steps, change)
    if not isinstance(changed, GroupForm):
        return group, ""
    return _settle_new(changed, known), _find_focus(changed, name, id_)


def _settle_new(group: GroupForm, known: Vocabulary) -> GroupForm:
    """Return a group whose rules have operators, also if a field was chosen during another request."""
    items: list[NodeForm] = []
    for item in group.items:
        if isinstance(item, GroupForm):
            items.append(_settle_new(item, known))
        else:
            is_new = isinstance(item, RuleForm) and not item.operator
            items.append(_settle(item, known) if is_new else item)
    return replace(group, items=tuple(items))


def _find_focus(group: GroupForm, name: str, id_: str) -> str:
    if name == "choose":
        return ""  # the browser keeps the focus where it is
    if name in ("add-rule", "add-group"):
        found: NodeForm | None = group
        for step in id_.split("-")[1:]:
            found = _step(found, step)
        last = f"{id_}-{len(found.items) - 1}" if isinstance(found, GroupForm) else ""
        return f"{last}-0" if last and name == "add-group" else last
    return f"{id_}-w-0" if name == "add-where" else id_.rpartition("-")[0]


def _step(node: NodeForm | None, step: str) -> NodeForm | None:
    if isinstance(node, RuleForm):
        return node.where if step == "w" else None
    # A longer number than that of the last item names none.
    if not isinstance(node, GroupForm) or not step.isdecimal() or len(step) > len(str(len(node.items))):
        return None
    return node.items[int(step)] if int(step) < len(node.items) else None


def _change_at(node: NodeForm, steps: Sequence[str], change: Change) -> NodeForm | None:
    """Return a part in which the one that the steps lead to is changed, or removed if the change is None."""
    if not steps:
        return change(node)
    below = _step(node, steps[0])
    if below is None:
        return node
    changed = _change_at(below, steps[1:], change)
    if isinstance(node, RuleForm):
        # Without rules about its events, all events count.
        return replace(node, where=changed if isinstance(changed, GroupForm) and changed.items else None)
    assert isinstance(node, GroupForm)
    index = int(steps[0])
    items = () if changed is None else (changed,)
    return replace(node, items=(*node.items[:index], *items, *node.items[index + 1 :]))


def _add_rule(node: NodeForm) -> NodeForm:
    if not isinstance(node, GroupForm):
        return node
    is_about_events = any(isinstance(it, RuleForm) and it.field.family == PROPERTY for it in node.items)
    return replace(node, items=(*node.items, _NEW_PROPERTY if is_about_events else NEW_RULE))


def _add_group(node: NodeForm) -> NodeForm:
    if not isinstance(node, GroupForm):
        return node
    other = "any" if node.mode == "all" else "all"
    return replace(node, items=(*node.items, GroupForm(other, (NEW_RULE,))))


def _add_where(node: NodeForm) -> NodeForm:
    if not isinstance(node, RuleForm):
        return node
    items = () if node.where is None else node.where.items
    return replace(node, where=GroupForm("all", (*items, _NEW_PROPERTY)))


def _settle(node: NodeForm, known: Vocabulary) -> NodeForm:
    """Return a rule whose operator and type fit the field that was chosen."""
    if not isinstance(node, RuleForm) or node.field.family not in FAMILIES:
        return node
    word = node.operator if node.operator in list_words(node.field) else first_word(node.field)
    types = list_types(node.field, word)
    type_ = node.type if node.type in types else _find_likely_type(node.field, types, known)
    values = node.values if is_list(word) else node.values[:1]
    if type_ in CHOSEN_TYPES and type_ != node.type:
        values = ()
    return replace(
        node,
        operator=word,
        type=type_,
        values=values,
        where=node.where if can_have_where(node.field) else None,
    )


def _find_likely_type(field: ChosenField, types: Sequence[str], known: Vocabulary) -> str:
    """Return the type that contacts have in an attribute, or the first one."""
    examples = known.examples.get(ATTRIBUTE_PREFIX + field.name) if field.family == ATTRIBUTE else None
    likely = None if examples is None else _TYPES_OF_EXAMPLES[examples.kind]
    return likely if likely is not None and likely in types else next(iter(types), "")


_CHANGES: Final[dict[str, Change]] = {
    "add-rule": _add_rule,
    "add-group": _add_group,
    "add-where": _add_where,
    "remove": lambda _: None,
}
