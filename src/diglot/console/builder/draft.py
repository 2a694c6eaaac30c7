"""A segment as the form has it, and the same checked as a body of the API is."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta

from diglot.api.input.body_reader import BodyReader
from diglot.api.input.request_body import parse_object
from diglot.api.rules.words import VALUE
from diglot.conditions import tree
from diglot.console.builder.nodes import NO_RULES, ROOT, GroupForm, find_part, list_ids
from diglot.console.builder.reading import read_rules
from diglot.console.builder.writing import show_nodes, write_group
from diglot.console.forms import Form
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.errors import Fault, InvalidInput, Path
from diglot.model.segments import Condition, Segment, SegmentType

# The rules stand in this property of the body that is checked.
KEY: Final = "conditions"
_encode: Final = msgspec.json.Encoder().encode
_SHORT_WORDS: Final = {"Required": "Fill in a value"}
# By the id of a part, or the name of another input; empty for the whole.
Messages = Mapping[str, Sequence[str]]


class _Texts(msgspec.Struct, frozen=True):
    """The texts of a segment, with the limits that the APIs have."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=1_000)]


@dataclass(frozen=True, slots=True)
class Draft:
    """A segment in the form. Of a new one `segment` is empty and `revision` 0.

    `dialect` is the one in whose words rules are stored. `reviewed` stands for the change whose effect the
    page has shown. `shown_name` and `shown_description` are the texts that were stored when it was opened.
    """

    name: str = ""
    description: str = ""
    type: SegmentType = SegmentType.DYNAMIC
    dialect: str = DIALECTS[0].name
    segment: str = ""
    revision: int = 0
    reviewed: str = ""
    rules: GroupForm = NO_RULES
    shown_name: str = ""
    shown_description: str = ""

    @property
    def path(self) -> str:
        """The path of the page, which its form is sent to."""
        return f"/console/segments/{self.segment}/edit" if self.segment else "/console/segments/new"


def read_draft(form: Form) -> Draft:
    """Return the segment in a form; raise `MalformedRequest`."""
    dialect = form.get("dialect")
    return Draft(
        form.get("name"),
        form.get("description"),
        SegmentType.STATIC if form.get("type") == SegmentType.STATIC else SegmentType.DYNAMIC,
        dialect if dialect in {one.name for one in DIALECTS} else DIALECTS[0].name,
        form.get("segment"),
        form.get_number("revision", 0, 2**31),
        form.get("reviewed"),
        read_rules(form),
        form.get("shown_name"),
        form.get("shown_description"),
    )


def show_draft(segment: Segment) -> Draft:
    """Return a stored segment as the form shows it."""
    dialect = segment.condition.original.dialect
    rules = show_nodes(segment.condition.tree, get_dialect(dialect).words)
    texts = _as_one_line(segment.name), _as_one_line(segment.description or "")
    return Draft(*texts, segment.type, dialect, segment.id, segment.revision, "", rules, *texts)


def _as_one_line(text: str) -> str:
    """Return a text as a browser has it in an input of one line."""
    return text.replace("\r", "").replace("\n", "")


@dataclass(frozen=True, slots=True)
class Checked:
    """The condition of a draft, None if there are faults in the rules, and all faults."""

    condition: Condition | None
    faults: Messages


def check_draft(draft: Draft, *, strict: bool) -> Checked:
    """Return the condition of a draft, checked as the API checks it."""
    words, own = get_dialect(draft.dialect).words, dict[str, str]()
    body = {"name": draft.name, "description": draft.description}
    written = write_group(draft.rules, words, own)
    condition, faults = _read(_encode(body | {KEY: written}), draft.dialect, strict=strict)
    messages = explain_faults(faults, draft.rules) | {id_: [message] for id_, message in own.items()}
    is_valid = condition is not None and not own
    return Checked(condition if is_valid else None, messages)


def _read(body: bytes, dialect: str, *, strict: bool) -> tuple[Condition | None, Sequence[Fault]]:
    try:
        reader = BodyReader(parse_object(body, unique_keys=True))
        reader.read(_Texts)
        condition = reader.read_condition(KEY, dialect, get_dialect(dialect).words, strict=strict)
    except InvalidInput as invalid:
        return None, invalid.faults
    return (None if condition is UNSET else condition), reader.faults


def explain_faults(faults: Iterable[Fault], rules: GroupForm) -> dict[str, list[str]]:
    """Return the messages of faults by the parts of the form that they belong to."""
    found, ids = defaultdict[str, list[str]](list), list_ids(rules)
    for fault in faults:
        if fault.path[:1] == (KEY,):
            id_, rest = find_part(ids, fault.path[1:])
            found["" if id_ == ROOT and not rest else id_].append(_say(rest, fault.message))
        else:
            found[str(fault.path[0]) if fault.path else ""].append(fault.message)
    return dict(found)


def _say(rest: Path, message: str) -> str:
    message = _SHORT_WORDS.get(message, message)
    if len(rest) == 2 and rest[0] == VALUE and isinstance(rest[1], int):
        return f"Value {rest[1] + 1}: {message}"
    return message


def with_condition(draft: Draft, node: tree.Node, dialect: str) -> Draft:
    """Return a draft with other rules, in the words of a dialect."""
    return replace(draft, rules=show_nodes(node, get_dialect(dialect).words), dialect=dialect)
