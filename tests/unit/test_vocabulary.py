"""Examples of values, as contacts have them."""

from dataclasses import dataclass
from typing import Any

import msgspec

from diglot.service.audience.vocabulary import Examples, find_examples


@dataclass
class Person:
    """What examples are taken from."""

    attributes: str
    company: str | None = None
    job_title: str | None = None
    source: str | None = None


def person(**attributes: Any) -> Any:
    """Return a contact with attributes."""
    return Person(msgspec.json.encode(attributes).decode())


def test_examples_are_what_most_contacts_have() -> None:
    """The kind is that of most values, and the values come in the order of their number."""
    found = find_examples(
        [
            person(plan="pro", seats=1, on=True, born="1990-02-28", tags=["a", "b"], odd=None, more={"a": 1}),
            person(plan="free", seats=2.5, on=False, born="soon", tags=["b"]),
            person(plan="free", seats="many", born="1990-03-01", long="x" * 61, blank=""),
            Person("{}", company="Acme"),  # type: ignore[list-item]
        ]
    )
    assert found == {
        "attributes.plan": Examples("text", ["free", "pro"]),
        "attributes.seats": Examples("number", ["1", "2.5", "many"]),
        "attributes.on": Examples("boolean", ["true", "false"]),
        "attributes.born": Examples("date", ["1990-02-28", "soon", "1990-03-01"]),
        "attributes.tags": Examples("text", ["b", "a"]),
        "attributes.long": Examples("text", []),
        "attributes.blank": Examples("text", []),
        "company": Examples("text", ["Acme"]),
    }
