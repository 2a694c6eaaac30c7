"""The words of a dialect for conditions, and the keys of vendor rules.

Both vendors write a condition as groups of `{field, operator, value}`. The dialects differ only in the
property and words for a group's mode and in the words for operators.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

FIELD: Final = "field"
OPERATOR: Final = "operator"
VALUE: Final = "value"
RULES: Final = "rules"
# The rules that an event has to match to be counted.
WHERE: Final = "where"
# The operators that no vendor has, with their word in every dialect.
NEW_OPERATORS: Final = {
    word: word for word in ("in_next_days", "in_last_hours", "more_than_hours_ago", "in_next_hours")
}


@dataclass(frozen=True, slots=True)
class Words:
    """A dialect's words: group modes, its own operators, and those that its vendor does not have."""

    group_key: str
    modes: Mapping[str, Literal["all", "any"]]
    own_operators: Mapping[str, str]
    borrowed_operators: Mapping[str, str]
    attribute_prefix: str
    vendor_fields: tuple[str, ...]
    """The fields of contacts that the vendor documents."""
    format_segment_id: Callable[[str], str] = str
    """Writes the id of a segment as the dialect shows it."""
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Further words of the vendor that are read but never written, with their canonical operators."""
    operators: Mapping[str, str] = field(init=False)
    """All words for operators that are read, with their canonical operators."""

    def __post_init__(self) -> None:
        both = {**self.own_operators, **self.borrowed_operators}
        operators = {vendor: word for word, vendor in both.items()} | dict(self.synonyms)
        object.__setattr__(self, "operators", operators)
