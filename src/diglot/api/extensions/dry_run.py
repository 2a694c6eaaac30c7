"""Dry runs: which contacts a condition of a body would find, and how many each of its rules."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from diglot.api import rules
from diglot.api.annotations import schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.as_of import Revision
from diglot.api.extensions.format import TAG, Count, ExtensionFormat, define_struct
from diglot.api.operation import Operation
from diglot.conditions import tree
from diglot.model.dry_runs import DryRun, Sample

_RuleObject = Annotated[dict[str, Any], schema_ref("Rule")]


class CountedRule(msgspec.Struct, frozen=True):
    """A rule, where it stands in the body, and how many contacts it alone is true of."""

    path: Annotated[str, Meta(description="The keys that lead to it, and numbers from 0, with dots between.")]
    rule: _RuleObject
    count: Count


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the call that tries a condition in a dialect."""
    answer = _Answer(form)
    noun = form.condition_noun
    operation = Operation(
        "dryRunSegment",
        "POST",
        "/segments/dry-run",
        TAG,
        f"Try {noun} that are not stored: who would match, enter and leave, rule by rule; it writes nothing "
        "(an extension)",
        scope=form.scope,
        body=form.dry_run_body,
        response=answer.struct,
        body_references=True,
        read_only=True,
        extension=True,
    )
    return Endpoint(operation, answer.dry_run)


class _Answer:
    """What a dry run found, in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        sample: Any = list[form.contact]  # type: ignore[name-defined]
        self._data = define_struct(
            "DryRunData",
            "Who would be a member, all at `as_of`; each sample has the 10 newest.\n\n"
            "The current total, who would enter and leave, and the revision that would be replaced are null "
            "without a `segment_id`. The total is the current one and who enters, without who leaves.",
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
            ],
        )
        self.struct = form.define_answer(
            "DryRunAnswer", f"What the {form.condition_noun} would find.", self._data
        )

    async def dry_run(self, call: Call) -> msgspec.Struct:
        condition, segment_id = await self._form.read_dry_run(call)
        run = await call.services.dry_runs.run(call.caller, condition.tree, segment_id)
        return self.struct(**self._form.envelope, data=self._to_wire(run, condition.tree))

    def _to_wire(self, run: DryRun, condition: tree.Node) -> msgspec.Struct:
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
        }
        return self._data(**members)

    def _show_newest(self, sample: Sample) -> list[msgspec.Struct]:
        return list(map(self._form.show_contact, sample.newest))


def _count_rules(run: DryRun, condition: tree.Node, key: str, words: rules.Words) -> list[CountedRule]:
    """Return the rules of the condition under a key of the body."""
    paths = rules.iterate_rule_paths(condition, (key,))
    return [
        CountedRule(".".join(map(str, path)), rules.write_rule(rule, words), count)
        for (rule, count), path in zip(run.rules, paths, strict=True)
    ]
