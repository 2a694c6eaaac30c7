"""The list of fields to choose from, which every rule of a page has, so it is written as HTML once."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from markupsafe import Markup

from diglot.conditions.fields import ATTRIBUTE_PREFIX
from diglot.console.builder.fields import ATTRIBUTE, GROUPS, Family
from diglot.console.templates import shorten
from diglot.service.audience.vocabulary import Vocabulary

# Among more attributes their names are typed, with suggestions.
_MOST_CHOICES: Final = 60
_KINDS: Final = {"text": "text", "number": "number", "boolean": "yes or no", "date": "date"}


class FieldChoices:
    """The options of the lists of fields; a few attributes are options of their own."""

    def __init__(self, known: Vocabulary) -> None:
        self._known = known
        self.attributes = known.attributes if len(known.attributes) <= _MOST_CHOICES else ()
        self._options = "".join(
            f'<optgroup label="{escape(label)}">{"".join(self._write_options(families))}</optgroup>'
            for label, families in GROUPS
        )

    def select(self, choice: str) -> Markup:
        """Return the options, of which one is selected."""
        beginning = f'<option value="{escape(choice)}"'
        # All parts are escaped.
        return Markup(self._options.replace(f"{beginning}>", f"{beginning} selected>", 1))  # noqa: S704

    def _write_options(self, families: Sequence[Family]) -> Iterator[str]:
        for family in families:
            label = f"{family.label}…" if family.inputs else family.label
            if family.key == ATTRIBUTE:
                yield from (_write_option(f"{ATTRIBUTE}:{key}", self._name(key)) for key in self.attributes)
                label = "another attribute…" if self.attributes else label
            yield _write_option(family.key, label)

    def _name(self, key: str) -> str:
        """Return an attribute with the kind of its values, as far as recent contacts have any."""
        examples = self._known.examples.get(ATTRIBUTE_PREFIX + key)
        return shorten(key) if examples is None else f"{shorten(key)} ({_KINDS[examples.kind]})"


def _write_option(value: str, label: str) -> str:
    return f'<option value="{escape(value)}">{escape(label)}</option>'
