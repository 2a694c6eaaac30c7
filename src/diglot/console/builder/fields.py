"""The fields that a rule can have, in families: one for each field of contacts, and some with a name."""

from dataclasses import dataclass
from typing import Final

from diglot.conditions.computed_fields import (
    ANNIVERSARY_PREFIX,
    SAMPLE,
    SEGMENTS,
    Anniversary,
    FieldNameError,
    Sample,
    find_computed,
    is_computed,
    resolve_name,
    write_name,
)
from diglot.conditions.events.fields import EVENT_PREFIX, EventField, is_event_field
from diglot.conditions.fields import (
    ATTRIBUTE_PREFIX,
    CATALOGUE,
    FIELDS,
    FieldKind,
    attribute_key,
    resolve_field,
)
from diglot.conditions.text import normalize_name, to_nfc
from diglot.console.builder.nodes import ChosenField
from diglot.console.words import name_field

ATTRIBUTE: Final = "attribute"
PROPERTY: Final = "property"
ANNIVERSARY: Final = "anniversary"
_EVENT_PARTS: Final = ("count", "last_at", "first_at", "sum")
_WITH_WINDOW: Final = frozenset({"events.count", "events.sum"})


@dataclass(frozen=True, slots=True)
class Family:
    """A family of fields: its key, its words in the list of choices, and the inputs that it needs."""

    key: str
    label: str
    inputs: tuple[str, ...] = ()
    name_label: str = ""


_ABOUT_AUDIENCE: Final = ("tags", "lists")
GROUPS: Final[tuple[tuple[str, tuple[Family, ...]], ...]] = (
    (
        "Events, such as purchases",
        (
            Family("events.count", "number of events", ("name", "window"), "Event"),
            Family("events.last_at", "last event", ("name",), "Event"),
            Family("events.first_at", "first event", ("name",), "Event"),
            Family("events.sum", "sum over events", ("name", "property", "window"), "Event"),
        ),
    ),
    (
        "Custom attributes",
        (Family(ATTRIBUTE, "a custom attribute", ("name",), "Attribute"),),
    ),
    (
        "Tags, lists and segments",
        (*(Family(name, name_field(name)) for name in _ABOUT_AUDIENCE), Family(SEGMENTS, "segments")),
    ),
    (
        "The contact",
        tuple(
            Family(field.name, name_field(field.name))
            for field in CATALOGUE
            if field.name not in _ABOUT_AUDIENCE
        ),
    ),
    (
        "Computed",
        (
            Family(ANNIVERSARY, "days until the next anniversary", ("name",), "Date"),
            Family(SAMPLE, "random number (0 to 100)", ("name",), "Name of the draw (optional)"),
        ),
    ),
)
FAMILIES: Final = {family.key: family for _, families in GROUPS for family in families} | {
    PROPERTY: Family(PROPERTY, "property", ("name",), "Property")
}
# The dates of contacts that come round again.
ANNIVERSARY_SOURCES: Final = tuple(field.name for field in CATALOGUE if field.kind is FieldKind.INSTANT)


def find_kind(chosen: ChosenField) -> FieldKind:
    """Return the kind of a chosen field."""
    if chosen.family in FIELDS:
        return FIELDS[chosen.family].kind
    if chosen.family == SEGMENTS:
        return FieldKind.SEGMENTS
    if chosen.family in (ATTRIBUTE, PROPERTY):
        return FieldKind.ATTRIBUTE
    return FieldKind.INSTANT if chosen.family.endswith("_at") else FieldKind.NUMBER


def can_have_where(chosen: ChosenField) -> bool:
    """Tell whether a rule on the field may say which events count."""
    return chosen.family.startswith(EVENT_PREFIX)


def choose_field(name: str) -> ChosenField:
    """Return the choice of a field by its canonical name."""
    if name in FIELDS or name == SEGMENTS:
        return ChosenField(name)
    if (key := attribute_key(name)) is not None:
        return ChosenField(ATTRIBUTE, key)
    computed = find_computed(name)
    if isinstance(computed, Sample):
        return ChosenField(SAMPLE, computed.salt)
    if isinstance(computed, Anniversary):
        return ChosenField(ANNIVERSARY, _shorten_source(computed.source))
    assert isinstance(computed, EventField)
    return _choose_event_field(name, computed)


def _shorten_source(source: str) -> str:
    key = attribute_key(source)
    is_plain = key is not None and not is_computed(key) and resolve_field(key) == source
    return key if is_plain and key is not None else source


def _choose_event_field(name: str, field: EventField) -> ChosenField:
    # The name keeps the spelling of a window, such as 24h, of which the field has only the length.
    rest, window, summed = name.removeprefix(EVENT_PREFIX), "", ""
    if field.window:
        rest, _, window = rest.rpartition(".")
    if field.part == "sum":
        rest, _, summed = rest.rpartition(".")
    event = rest.rpartition(".")[0]
    return ChosenField(f"{EVENT_PREFIX}{field.part}", event, summed, window[:-1], window[-1:])


def spell_field(chosen: ChosenField, attribute_prefix: str) -> str:
    """Return the name of a chosen field as a dialect writes it; the check refuses a malformed one."""
    if chosen.family == ATTRIBUTE:
        return attribute_prefix + chosen.name
    if chosen.family == PROPERTY:
        return chosen.name
    if chosen.family == SAMPLE:
        return f"{SAMPLE}.{chosen.name}" if chosen.name else SAMPLE
    if chosen.family == ANNIVERSARY:
        source = (
            chosen.name
            if is_computed(chosen.name)
            else write_name(resolve_field(chosen.name), attribute_prefix)
        )
        return ANNIVERSARY_PREFIX + source
    if not can_have_where(chosen):
        return chosen.family
    part = chosen.family.removeprefix(EVENT_PREFIX)
    summed = f".{chosen.property}" if part == "sum" else ""
    window = f".{chosen.window}{chosen.unit}" if chosen.unit and chosen.family in _WITH_WINDOW else ""
    return f"{EVENT_PREFIX}{chosen.name}.{part}{summed}{window}"


def find_field_fault(chosen: ChosenField) -> str | None:
    """Return why a choice names no field, or would be read as another one; None if it is right."""
    family = FAMILIES.get(chosen.family)
    if family is None:
        return "Choose a field"
    if "name" in family.inputs and family.key != SAMPLE and not normalize_name(chosen.name):
        return f"Say which {family.name_label.lower()}"
    if "property" in family.inputs and not normalize_name(chosen.property):
        return "Say which property is added up"
    if "window" in family.inputs and chosen.unit and not chosen.window:
        return "Say how long the window is"
    if not can_have_where(chosen):
        return None
    spelled = spell_field(chosen, ATTRIBUTE_PREFIX)
    try:
        name = resolve_name(spelled)
    except FieldNameError:
        return None  # the check says what is wrong
    found = choose_field(name)
    wanted = chosen.family, to_nfc(chosen.name), to_nfc(chosen.property)
    is_same = (found.family, found.name, found.property) == wanted
    is_same = is_same and found.window == (chosen.window if chosen.unit else "")
    return None if is_same and is_event_field(name) else f"This would be read as {name_field(name)}"
