"""Render the truth table of each operator, by kind of field, from the rows of spec/."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from diglot.conditions.computed_fields import kind_of
from diglot.conditions.fields import ATTRIBUTE_PREFIX, FieldKind
from diglot.conditions.text import normalize_name
from render.markdown import code, json_code, table
from support.spec_data import COMPUTED, DEFAULT_ZONE, OPERATORS, population, rows
from support.spec_data import Row as Truth

_MISSING: Final = "missing"
_MOST: Final = 8
_HEAD: Final = ("rule", "true for", "what it shows", "basis")
_TITLES: Final = {FieldKind.ATTRIBUTE: "custom attributes"}
_ABOUT: Final = (
    "`python -m render` makes this page from [tests/spec](../../tests/spec/README.md). "
    "[Conditions](../conditions.md#the-truth-tables) explains how to read it."
)


def pages() -> dict[str, str]:
    """Return the page of each operator, those of computed fields, and those of groups and of events."""
    results = {path.stem: _page(path.stem) for path in sorted(OPERATORS.glob("*.json"))}
    computed = {
        path.stem: _conditions(path.stem, f"`{path.stem}`") for path in sorted(COMPUTED.glob("*.json"))
    }
    titles = {"groups": "Groups", "events": "Events", "event_properties": "Properties of events"}
    whole = {name: _conditions(name, title) for name, title in titles.items()}
    return results | computed | whole


def _page(name: str) -> str:
    described = [row for row in rows() if row.file == name]
    kinds = [kind for kind in FieldKind if any(_kind(row) is kind for row in described)]
    tables = [_table(kind, [row for row in described if _kind(row) is kind]) for kind in kinds]
    return "\n".join([f"# `{name}`\n\n{_ABOUT}\n", *tables])


def _table(kind: FieldKind, table_rows: Sequence[Truth]) -> str:
    title = _TITLES.get(kind, f"fields of kind {kind.value}")
    return f"## On {title}\n\n{table(_HEAD, map(_row, table_rows))}"


def _kind(row: Truth) -> FieldKind:
    return kind_of(row.condition["field"])


def _row(row: Truth) -> tuple[str, ...]:
    field = row.condition["field"]
    operand = f" {_operand(field, row.condition['operand'])}" if "operand" in row.condition else ""
    rule = code(field) + operand + _circumstances(row)
    return rule, _true_of(row, field), row.name, row.basis


def _operand(field: str, operand: Any) -> str:
    if field == "lists":
        names = {id_: name for name, id_ in population().lists.items()}
        listed = isinstance(operand, list)
        operand = [names.get(item, item) for item in operand] if listed else names.get(operand, operand)
    return json_code(operand)


def _circumstances(row: Truth) -> str:
    zone = f", in {row.zone}" if row.zone != DEFAULT_ZONE else ""
    moment = f", at {row.now.isoformat().replace('+00:00', 'Z')}" if row.now != population().now else ""
    return zone + moment


def _true_of(row: Truth, field: str) -> str:
    """List the values for which a rule is true, or those for which it is false if these are fewer."""
    verdicts: dict[str, bool] = {}
    for name, contact in population().contacts.items():
        verdict = verdicts.setdefault(_value(contact, field), name in row.members)
        assert verdict == (name in row.members), f"{row.file}: {row.name}: one value, two verdicts"
    yes = [value for value, verdict in verdicts.items() if verdict]
    no = [value for value, verdict in verdicts.items() if not verdict]
    if not yes or not no:
        return "all contacts" if yes else "no contact"
    return _listed(yes) if len(yes) <= len(no) else f"all but {_listed(no)}"


def _listed(values: list[str]) -> str:
    rest = f" and {len(values) - _MOST} more" if len(values) > _MOST else ""
    return ", ".join(values[:_MOST]) + rest


def _value(contact: Mapping[str, Any], field: str) -> str:
    value = _stored(contact, field)
    return _MISSING if value is None else json_code(value)


def _stored(contact: Mapping[str, Any], field: str) -> Any:
    if field.startswith(ATTRIBUTE_PREFIX):
        attributes = {normalize_name(key): value for key, value in contact.get("attributes", {}).items()}
        return attributes.get(normalize_name(field.removeprefix(ATTRIBUTE_PREFIX)))
    status = contact.get("status", "subscribed")
    created = {"status": status, "subscribed": status == "subscribed"}
    return created.get(field, contact.get(field, 0 if field.startswith("total_") else None))


def _conditions(name: str, title: str) -> str:
    """Return a page of whole conditions, and the contacts that match each."""
    described = (row for row in rows() if row.file == name)
    result = (
        (_written(row.condition) + _circumstances(row), _members(row), row.name, row.basis)
        for row in described
    )
    head = ("condition", "matches", "what it shows", "basis")
    about = f"{_ABOUT} The names are those of contacts in `population.json`."
    return f"# {title}\n\n{about}\n\n{table(head, result)}"


def _written(condition: Any) -> str:
    text = json.dumps(condition, ensure_ascii=False)
    return code(text if len(text) <= 400 else f"{text[:400]}…")


def _members(row: Truth) -> str:
    everyone = list(population().contacts)
    yes = [name for name in everyone if name in row.members]
    no = [name for name in everyone if name not in row.members]
    if not yes or not no:
        return "all contacts" if yes else "no contact"
    return ", ".join(yes) if len(yes) <= len(no) else f"all but {', '.join(no)}"
