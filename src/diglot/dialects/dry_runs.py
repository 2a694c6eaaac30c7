"""Dry runs: the rules of a condition that a body gave, each where it stands there and with its count."""

from collections.abc import Iterator
from typing import Any

from diglot.conditions import tree
from diglot.dialects import rules
from diglot.model.dry_runs import DryRun


def counted_rules(
    run: DryRun, condition: tree.Node, key: str, words: rules.Words
) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield the rules of the condition under a key of the body: the path, the rule, the count."""
    paths = rules.placed(condition, (key,))
    for (rule, count), path in zip(run.rules, paths, strict=True):
        yield ".".join(map(str, path)), rules.rule(rule, words), count
