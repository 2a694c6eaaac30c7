"""The form of a contact: its inputs, and what a person changed in them.

The form carries a digest of each value that it shows. Only inputs whose text differs from its digest are
written, so a form that is sent late changes nothing that its person did not touch, and a touched value is
written only if the stored one is still the one that was shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from diglot.conditions.text import normalize_name
from diglot.console.forms import Form
from diglot.console.pages.people.contact_texts import ATTRIBUTE, EDITED, TYPES, digest, split_attribute
from diglot.console.words import name_field
from diglot.errors import MalformedRequest

# A form is a megabyte at most, and one character may take nine bytes of it.
_MAX_CHARACTERS: Final = 60_000
_MAX_ATTRIBUTES: Final = 200
_NEW_ATTRIBUTES: Final = 3
_MAX_LEFT_OUT: Final = 1_000_000
_read_shown: Final = msgspec.json.Decoder(dict[str, str]).decode
Texts = Mapping[str, str]


@dataclass(slots=True)
class Input:
    """A value in the form: its name, what people call it, its text, and what is wrong with it.

    `now` is what is stored, if somebody changed it while the form was open.
    """

    name: str
    label: str
    kind: str = "text"
    max_length: int = 0
    text: str = ""
    fault: str = ""
    now: str | None = None


@dataclass(slots=True)
class AttributeInput:
    """A custom attribute in the form; a new one may get any key. `fault` and `now` as above."""

    index: int
    key: str = ""
    type: str = TYPES[0]
    text: str = ""
    is_new: bool = True
    is_removed: bool = False
    fault: str = ""
    now: str | None = None

    @property
    def name(self) -> str:
        """The name of the value, as the texts of a contact have it."""
        return ATTRIBUTE + normalize_name(self.key)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written for a new one."""
        return self.is_new and not self.key.strip() and not self.text.strip()


@dataclass(slots=True)
class ContactForm:
    """All inputs, and the digests of the values that the page showed, by name.

    `left_out` is the number of attributes that are too long or too many to be edited here. `faults` are those
    of no single input. `asks_consent` says that a status is raised without the tick that goes with it.
    `missing` are the inputs that were not sent.
    """

    inputs: list[Input]
    attributes: list[AttributeInput]
    shown: dict[str, str]
    left_out: int = 0
    faults: list[str] = field(default_factory=list)
    asks_consent: bool = False
    has_consent: bool = False
    missing: frozenset[str] = frozenset()

    @property
    def everything(self) -> "list[Input | AttributeInput]":
        """All inputs, those of attributes last."""
        return [*self.inputs, *self.attributes]

    @property
    def shown_json(self) -> str:
        """The digests as the form carries them."""
        return msgspec.json.encode(self.shown).decode()

    @property
    def has_faults(self) -> bool:
        """Whether anything has to be corrected."""
        return bool(self.faults) or any(one.fault for one in self.everything)

    @property
    def has_news(self) -> bool:
        """Whether somebody else changed what a person changed, too."""
        return any(one.now is not None for one in self.everything)

    @property
    def edits_tags(self) -> bool:
        """Whether the form has the tags: not if one of them has several lines."""
        return "tags" not in self.missing

    @property
    def opens_figures(self) -> bool:
        """Whether a number or a moment has something to tell."""
        figures = (*self.of_kind("number"), *self.of_kind("moment"))
        return any(one.fault or one.now is not None for one in figures)

    def of_kind(self, kind: str) -> Sequence[Input]:
        """Return the inputs of a kind, in the order of the form."""
        return [one for one in self.inputs if one.kind == kind]

    def find(self, name: str) -> Input:
        """Return an input by its name; raise KeyError."""
        return {one.name: one for one in self.inputs}[name]

    def list_changed_names(self) -> list[str]:
        """Return the names of the values that a person changed."""
        changed: list[Input | AttributeInput] = [*self.list_changed(), *self.list_changed_attributes()]
        return [one.name for one in changed]

    def list_changed(self) -> list[Input]:
        """Return the inputs whose text is not the one that was shown."""
        empty = digest("")
        return [
            one
            for one in self.inputs
            if one.name not in self.missing and digest(one.text) != self.shown.get(one.name, empty)
        ]

    def list_changed_attributes(self) -> list[AttributeInput]:
        """Return the attributes that are new, removed, or not as they were shown."""
        return [one for one in self.attributes if not one.is_blank and self._differs(one)]

    def _differs(self, one: AttributeInput) -> bool:
        return one.is_new or one.is_removed or digest(f"{one.type}: {one.text}") != self.shown.get(one.name)


def open_form(texts: Texts) -> ContactForm:
    """Return the form with the texts of a contact, or without any for a new one."""
    form = ContactForm(_list_inputs(texts), [], {})
    form.missing = frozenset(one.name for one in form.inputs if texts and one.name not in texts)
    size = 0
    for name in [name for name in texts if name.startswith(ATTRIBUTE)]:
        size += len(texts[name])
        if size > _MAX_CHARACTERS or len(form.attributes) == _MAX_ATTRIBUTES:
            form.left_out += 1
            continue
        type_, text = split_attribute(texts[name])
        key = name.removeprefix(ATTRIBUTE)
        form.attributes.append(AttributeInput(len(form.attributes), key, type_, text, is_new=False))
    edited = {one.name for one in form.everything}
    form.shown = {name: digest(text) for name, text in texts.items() if name in edited}
    _add_blank(form)
    return form


def read_form(form: Form) -> ContactForm:
    """Return what a person sent; an input that is missing was not changed. Raise `MalformedRequest`."""
    try:
        shown = _read_shown(form.get("shown") or "{}")
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise MalformedRequest("The form is damaged: open the page again") from error
    sent = dict(reversed(form.pairs))
    read = ContactForm(_list_inputs(sent), list(_read_attributes(sent)), shown)
    read.missing = frozenset(one.name for one in read.inputs if one.name not in sent)
    read.has_consent = sent.get("consent") == "yes"
    if form.get("left_out") != "0":
        read.left_out = form.get_number("left_out", 1, _MAX_LEFT_OUT)
    return read


def _list_inputs(texts: Texts) -> list[Input]:
    found = [Input(one.name, _name_label(one.name), one.input_kind, one.max_length) for one in EDITED]
    found += [Input("status", "Email status", "status"), Input("tags", "Tags", "tags")]
    for one in found:
        one.text = texts.get(one.name, "")
    return found


def _name_label(name: str) -> str:
    words = name_field(name)
    return words[0].upper() + words[1:]


def _read_attributes(sent: Mapping[str, str]) -> Iterator[AttributeInput]:
    for index in range(_MAX_ATTRIBUTES + _NEW_ATTRIBUTES):
        begin = f"attribute.{index}."
        if f"{begin}key" not in sent:
            return
        yield AttributeInput(
            index,
            sent[f"{begin}key"],
            sent.get(f"{begin}type", TYPES[0]),
            sent.get(f"{begin}text", ""),
            is_new=f"{begin}stored" not in sent,
            is_removed=f"{begin}remove" in sent,
        )


def _add_blank(form: ContactForm) -> None:
    for _ in range(_NEW_ATTRIBUTES):
        form.attributes.append(AttributeInput(len(form.attributes)))
