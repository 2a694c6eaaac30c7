"""Warnings about rules, in the answers that store, try or show them (semantics 35).

A warning never changes a status, and never says anything that is not so. A server that emulates its vendors
strictly leaves warnings out.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension
from diglot.api.rules.words import FIELD, RULES
from diglot.conditions import tree
from diglot.conditions.analysis import references
from diglot.conditions.analysis.logic import Judgement, judge
from diglot.conditions.analysis.segment_references import referenced_ids
from diglot.conditions.computed_fields import SEGMENTS
from diglot.conditions.events.field_values import EventFields
from diglot.conditions.fields import CANONICAL_NAMES, attribute_key
from diglot.errors import Path
from diglot.model.segments import DeletedReference, Rules
from diglot.model.workspaces import Caller
from diglot.service.services import Services

# Of a field that no contact has yet, so the warning may be wrong after the next write.
UNKNOWN_FIELD: Final = "unknown_field"
# Of an event that no contact has had yet.
UNKNOWN_EVENT: Final = "unknown_event"
WARNING_CODES: Final = {
    UNKNOWN_FIELD: "no contact of the workspace has the attribute, and no field has the name",
    UNKNOWN_EVENT: "no contact of the workspace has had an event of the name",
    "matches_nobody": "the part of the rules at the path matches no contact, whatever a contact holds",
    "matches_everybody": "the part of the rules at the path matches every contact, whatever a contact holds",
    "invalid": "the rule excludes a tag or a list that was deleted, so the segment matches no contact until "
    "its rules are sent again; or it names a segment that is invalid itself or has no rules, so the segment "
    "matches no contact until that one has valid rules",
}
_KINDS: Final = {"tags": "tag", "lists": "list"}
# Comparing a name with 100 others takes up to 5 ms, so only the first unknown fields of a page have a nearest
# one, and it is looked for among the names of about the same length.
_MAX_SUGGESTIONS: Final = 3
_MAX_CANDIDATES: Final = 200
_LENGTH_DIFFERENCE: Final = 2


class RuleWarning(msgspec.Struct, frozen=True):
    """Something about the rules that is probably not meant. It never changes the status of an answer."""

    path: Annotated[str, Meta(description="The part of the rules, with dots and indexes from 0.")]
    code: Annotated[
        str,
        Meta(
            description="More codes may follow. "
            + " ".join(f"`{code}`: {meaning}." for code, meaning in WARNING_CODES.items())
        ),
    ]
    message: Annotated[str, Meta(description="The warning for people.")]


Warnings = Extension[list[RuleWarning]] | UnsetType


class Asking(Protocol):
    """Who asks for warnings: a call of a dialect, or a visit of a page."""

    @property
    def caller(self) -> Caller: ...

    @property
    def services(self) -> Services: ...


async def warn(call: Asking, rules: Rules | None, key: str) -> list[RuleWarning] | UnsetType:
    """Return the warnings about rules, which stand in the property `key`; none without rules."""
    (warnings,) = await warn_each(call, [rules], key)
    return warnings


async def warn_each(
    call: Asking, all_rules: Sequence[Rules | None], key: str
) -> Sequence[list[RuleWarning] | UnsetType]:
    """Return the warnings about the rules of several segments."""
    if call.services.strict:
        return [UNSET] * len(all_rules)
    wanted = {name for rules in all_rules if rules is not None for name in _attribute_keys(rules.tree)}
    known = await call.services.attribute_keys.load_known(call.caller, wanted) if wanted else frozenset[str]()
    unknown = [] if known is None else sorted(wanted - known)
    unknown_fields = {
        name: _describe_unknown(name, known if index < _MAX_SUGGESTIONS else None)
        for index, name in enumerate(unknown)
    }
    unknown_events = await _find_unknown_events(call, all_rules)
    return [
        []
        if rules is None
        else list(_RuleWarnings(rules, unknown_fields, unknown_events).iterate_all((key,)))
        for rules in all_rules
    ]


async def _find_unknown_events(call: Asking, all_rules: Sequence[Rules | None]) -> frozenset[str]:
    named = {name for rules in all_rules if rules is not None for name in _event_names(rules.tree)}
    if not named:
        return frozenset()
    return frozenset(named) - await call.services.events.find_known_names(call.caller, named)


def _event_names(node: tree.Node) -> Iterator[str]:
    yield from EventFields(tree.fields_of(node)).by_event


def _attribute_keys(node: tree.Node) -> Iterator[str]:
    for name in tree.fields_of(node):
        if (key := attribute_key(name)) is not None:
            yield key


def _describe_unknown(key: str, known: frozenset[str] | None) -> str:
    """Describe an unknown attribute, with the nearest known name; None looks for no name."""
    nearest = [] if known is None else _find_nearest(key, known)
    suggestion = f": did you mean `{nearest[0]}`?" if nearest else ""
    return f"No field has the name `{key}`, and no contact has such an attribute{suggestion}"


def _find_nearest(key: str, known: frozenset[str]) -> list[str]:
    names = (*CANONICAL_NAMES, *sorted(known))
    near = (name for name in names if abs(len(name) - len(key)) <= _LENGTH_DIFFERENCE)
    return get_close_matches(key, list(islice(near, _MAX_CANDIDATES)), n=1)


class _RuleWarnings(msgspec.Struct, frozen=True):
    """The warnings about the rules of a segment, given what to say of each unknown attribute."""

    rules: Rules
    unknown_fields: Mapping[str, str]
    unknown_events: frozenset[str]

    def iterate_all(self, path: Path) -> Iterator[RuleWarning]:
        """Yield all warnings; a deleted reference may be named by a segment that a rule names."""
        yield from self.iterate(judge(self.rules.tree), path, is_decided=False)

    def iterate(self, one: Judgement, path: Path, *, is_decided: bool) -> Iterator[RuleWarning]:
        """Yield the warnings about a node and its parts; a verdict is told of its topmost part alone."""
        node = one.node
        if one.verdict is not None and not is_decided and not self.is_invalid_whole(one):
            yield _warning(path, *_describe_verdict(node, matches_all=one.verdict))
            is_decided = True
        if not isinstance(node, tree.All | tree.Any):
            yield from self.iterate_rule(node, path)
        for index, part in enumerate(one.parts):
            yield from self.iterate(part, (*path, RULES, index), is_decided=is_decided)

    def is_invalid_whole(self, one: Judgement) -> bool:
        """Tell whether a node is all of invalid rules, which match nobody, whatever they say."""
        return one.node is self.rules.tree and bool(self.rules.deleted_references)

    def iterate_rule(self, rule: tree.Predicate | tree.Not, path: Path) -> Iterator[RuleWarning]:
        """Yield the warnings about what one rule names."""
        for name in _attribute_keys(rule):
            if name in self.unknown_fields:
                yield _warning((*path, FIELD), UNKNOWN_FIELD, self.unknown_fields[name])
        for name in _event_names(rule) if self.unknown_events else ():
            if name in self.unknown_events:
                message = f"No contact has had an event of the name `{name}`"
                yield _warning((*path, FIELD), UNKNOWN_EVENT, message)
        for deleted in self.rules.deleted_references:
            if self.is_reason(rule, deleted):
                yield _warning(path, "invalid", _describe_deleted(deleted, rule))

    def is_reason(self, rule: tree.Predicate | tree.Not, deleted: DeletedReference) -> bool:
        """Tell whether a rule is invalid because of what was deleted."""
        if deleted.field == SEGMENTS:
            return references.is_named(rule, deleted.reference)
        if references.is_excluded(self.rules.tree, deleted.reference):
            return references.is_excluded(rule, deleted.reference)
        # The rule of a segment that this one references excludes it.
        return bool(referenced_ids(rule))


def _warning(path: Path, code: str, message: str) -> RuleWarning:
    return RuleWarning(".".join(map(str, path)), code, message)


def _describe_verdict(node: tree.Node, *, matches_all: bool) -> tuple[str, str]:
    if matches_all:
        return "matches_everybody", "This matches every contact, whatever it holds"
    if tree.is_draft(node):
        return "matches_nobody", "Without rules this matches no contact"
    return "matches_nobody", "This matches no contact, whatever it holds"


def _describe_deleted(deleted: DeletedReference, rule: tree.Predicate | tree.Not) -> str:
    if deleted.field == SEGMENTS:
        return (
            f'The segment "{deleted.name}" is invalid or has no rules, and the rule names it: no contact '
            "matches until that segment has valid rules"
        )
    what = "a segment that the rule names" if referenced_ids(rule) else "a rule"
    return (
        f'The {_KINDS[deleted.field]} "{deleted.name}" was deleted, and {what} excludes it: '
        "no contact matches until the rules are sent again"
    )
