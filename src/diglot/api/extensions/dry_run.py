"""Dry runs: which contacts would match a condition in a body, and how many match each of its rules."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from diglot.api.annotations import schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.as_of import Revision
from diglot.api.extensions.format import TAG, Count, ExtensionFormat, define_struct
from diglot.api.operation import Operation
from diglot.api.rules.words import Words
from diglot.api.rules.writing import iterate_rule_paths, write_rule
from diglot.api.warnings import Warnings, warn
from diglot.conditions import tree
from diglot.model.dry_runs import DryRun, Sample
from diglot.model.segments import Rules

_RuleObject = Annotated[dict[str, Any], schema_ref("Rule")]


class CountedRule(msgspec.Struct, frozen=True):
    """A rule, its path in the body, and the number of contacts that match it alone."""

    path: Annotated[str, Meta(description="The path of the rule in the body, with dots and indexes from 0.")]
    rule: _RuleObject
    count: Count


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the dry-run endpoint of a dialect."""
    answer = _Answer(form)
    noun = form.condition_noun
    operation = Operation(
        "dryRunSegment",
        "POST",
        "/segments/dry-run",
        TAG,
        f"Evaluate {noun} without storing them: which contacts would match, enter and leave, and the count "
        "of each rule (an extension)",
        scope=form.scope,
        body=form.dry_run_body,
        response=answer.struct,
        body_references=True,
        read_only=True,
        extension=True,
    )
    return Endpoint(operation, answer.dry_run)


class _Answer:
    """Renders the result of a dry run in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        sample: Any = list[form.contact]  # type: ignore[name-defined]
        self._data = define_struct(
            "DryRunData",
            "The contacts that would be members at `as_of`; each sample has the 10 newest.\n\n"
            "The current total, entering, leaving and the revision to be replaced are null without a "
            "`segment_id`. The total is the current total plus entering minus leaving.",
            [
                ("total", Count),
                ("current_total", Count | None),
                ("entering", Count | None),
                ("leaving", Count | None),
                ("predicates", list[CountedRule]),
                ("sample", sample),
                ("entering_sample", sample | None),
                ("leaving_sample", sample | None),
                ("revision", Revision | None),
                ("as_of", form.time),
                ("warnings", Warnings, UNSET),
            ],
        )
        self.struct = form.define_answer(
            "DryRunAnswer", f"The contacts that would match the {form.condition_noun}.", self._data
        )

    async def dry_run(self, call: Call) -> msgspec.Struct:
        condition, segment_id = await self._form.read_dry_run(call)
        await call.services.events.require_kept(call.caller, condition)
        run = await call.services.dry_runs.run(call.caller, condition.tree, segment_id, condition.references)
        warned = await warn(call, Rules(condition.tree, run.broken), self._form.condition_key)
        return self.struct(**self._form.envelope, data=self._to_wire(run, condition.tree, warned))

    def _to_wire(self, run: DryRun, condition: tree.Node, warned: Warnings) -> msgspec.Struct:
        old = run.replaced
        members = {
            "total": run.members.count,
            "current_total": old and old.member_count,
            "entering": old and old.entering.count,
            "leaving": old and old.leaving.count,
            "predicates": _count_rules(run, condition, self._form.condition_key, self._form.words),
            "sample": self._show_newest(run.members),
            "entering_sample": old and self._show_newest(old.entering),
            "leaving_sample": old and self._show_newest(old.leaving),
            "revision": old and old.segment.revision,
            "as_of": self._form.format_time(run.as_of),
            "warnings": warned,
        }
        return self._data(**members)

    def _show_newest(self, sample: Sample) -> list[msgspec.Struct]:
        return list(map(self._form.show_contact, sample.newest))


def _count_rules(run: DryRun, condition: tree.Node, key: str, words: Words) -> list[CountedRule]:
    """Return the rules of the condition in a property of the body."""
    paths = iterate_rule_paths(condition, (key,))
    return [
        CountedRule(".".join(map(str, path)), write_rule(rule, words), count)
        for (rule, count), path in zip(run.rules, paths, strict=True)
    ]
