"""The differences between the dialects in the extension calls: one record for each dialect.

The calls are the same in every dialect, so their structs are defined here from the record. A struct has the
name of its schema in the OpenAPI documents.
"""

import textwrap
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import schema_ref
from diglot.api.call import Call
from diglot.api.extensions.received_webhooks import ReceivedFormat
from diglot.api.rules.words import Words
from diglot.model.contacts import Contact
from diglot.model.pages import Window
from diglot.model.segments import Condition, CountedSegment

TAG: Final = "segments"
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
SegmentTypeWord = Annotated[str, schema_ref("SegmentType")]
# The width of docstrings in modules; descriptions of all structs wrap alike in the documents.
_DOCSTRING_WIDTH: Final = 106


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a dialect asks for pages and describes them: the structs, and their conversion."""

    query: type[msgspec.Struct]
    pagination: type[msgspec.Struct]
    to_window: Callable[[Any], Window]
    to_pagination: Callable[[Any, int], msgspec.Struct]
    """Returns the pagination for a query and the number of all items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFormat:
    """The name of a dialect in stored conditions, the body of a snapshot, and its answer."""

    dialect: str
    body: type[msgspec.Struct]
    response: type[msgspec.Struct]
    show: Callable[[Call, CountedSegment], Awaitable[msgspec.Struct]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionFormat:
    """The response format of a dialect's extensions, and the body of its dry runs.

    `envelope` has the members that precede `data` in every response. `condition_key` and `type_key` are the
    properties for a segment's condition and type; `condition_noun` is the plural noun in the documents.
    """

    words: Words
    scope: str
    read_scope: str
    write_scope: str
    envelope: Mapping[str, bool]
    condition_key: str
    condition_noun: str
    type_key: str
    segment_id: Any
    time: Any
    contact: type[msgspec.Struct]
    format_segment_id: Callable[[str], str]
    format_time: Callable[[int], str]
    show_contact: Callable[[Contact], msgspec.Struct]
    paging: Paging
    snapshot: SnapshotFormat
    received: ReceivedFormat
    dry_run_body: type[msgspec.Struct]
    read_dry_run: Callable[[Call], Awaitable[tuple[Condition, str | None]]]
    """Returns the condition of the body, and the id of the segment that it would replace."""

    def define_cause_segment(self) -> tuple[str, Any, UnsetType]:
        """Return the member of a change that names the referenced segment, if there is one."""
        meaning = Meta(
            description="The segment that the contact entered or left at the same time, if the rules of "
            "the changed segment name it. It is left out otherwise, and after an evaluation of all contacts."
        )
        return ("cause_segment_id", Annotated[self.segment_id, meaning] | UnsetType, UNSET)

    def show_cause_segment(self, id_: str | None) -> str | UnsetType:
        """Return the id of a referenced segment as the dialect shows it, or `UNSET`."""
        return UNSET if id_ is None else self.format_segment_id(id_)

    def define_answer(
        self, name: str, description: str, data: Any, *more: tuple[str, Any]
    ) -> type[msgspec.Struct]:
        """Return the struct of a response: the envelope, `data`, and `more` members."""
        envelope = [(key, type(value)) for key, value in self.envelope.items()]
        return define_struct(name, description, [*envelope, ("data", data), *more])


def define_struct(name: str, description: str, fields: Sequence[tuple[Any, ...]]) -> type[msgspec.Struct]:
    """Return a struct whose docstring is a description, each paragraph on lines of the usual width."""
    paragraphs = [textwrap.fill(one, _DOCSTRING_WIDTH) for one in description.split("\n\n")]
    return msgspec.defstruct(
        name, fields, frozen=True, module=__name__, namespace={"__doc__": "\n\n".join(paragraphs)}
    )
