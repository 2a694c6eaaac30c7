"""Dry runs: the rules of a condition that a body gave, each where it stands there and with its count."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from diglot.api import rules
from diglot.api.openapi.annotations import named
from diglot.conditions import tree
from diglot.model.dry_runs import DryRun

_RuleObject = Annotated[dict[str, Any], named("Rule")]
_Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]


class CountedRule(msgspec.Struct, frozen=True):
    """A rule, where it stands in the body, and how many contacts it alone is true of."""

    path: Annotated[str, Meta(description="The keys that lead to it, and numbers from 0, with dots between.")]
    rule: _RuleObject
    count: _Count


def counted_rules(run: DryRun, condition: tree.Node, key: str, words: rules.Words) -> list[CountedRule]:
    """Return the rules of the condition under a key of the body."""
    paths = rules.placed(condition, (key,))
    return [
        CountedRule(".".join(map(str, path)), rules.rule(rule, words), count)
        for (rule, count), path in zip(run.rules, paths, strict=True)
    ]
