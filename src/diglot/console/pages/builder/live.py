"""What arrives while rules are built: faults, warnings, the rules as each vendor writes them, and counts."""

from collections.abc import Sequence
from typing import Any, Final

from litestar.types import ASGIApp
from msgspec.structs import replace

from diglot.api.rules.writing import iterate_rule_paths
from diglot.api.warnings import warn
from diglot.conditions import tree
from diglot.console.answers import Html
from diglot.console.builder.draft import KEY, Draft, check_draft, explain_faults, read_draft
from diglot.console.builder.nodes import find_part, iterate_nodes, list_ids
from diglot.console.pages.segment import write_in_each
from diglot.console.visit import Visit
from diglot.errors import InvalidInput, Path, Unavailable
from diglot.model.dry_runs import DryRun
from diglot.model.segments import Condition, Rules, SegmentType

# Tells the page that the rules are valid, so that they can be counted.
_VALID: Final = ((b"hx-trigger", b"rules-valid"),)


async def check(visit: Visit) -> ASGIApp:
    """Show what is wrong with each rule, and the rules as each vendor writes them; nothing is counted."""
    draft = read_draft(await visit.read_form())
    checked = check_draft(draft, strict=visit.services.strict)
    condition = checked.condition
    page = visit.show(
        "builder/checked.html",
        ids=[id_ for id_, _ in iterate_nodes(draft.rules)],
        faults=checked.faults,
        warnings={} if condition is None else await _find_warnings(visit, draft, condition),
        written=[] if condition is None else write_in_each(condition),
    )
    return page if condition is None else replace(page, headers=_VALID)


async def _find_warnings(visit: Visit, draft: Draft, condition: Condition) -> dict[str, list[str]]:
    """Return the warnings about rules by the ids of their parts."""
    found: dict[str, list[str]] = {}
    ids = list_ids(draft.rules)
    for warning in await warn(visit, Rules(condition.tree), KEY) or []:
        path: Path = tuple(int(part) if part.isdecimal() else part for part in warning.path.split(".")[1:])
        found.setdefault(find_part(ids, path)[0], []).append(warning.message)
    return found


async def count(visit: Visit) -> ASGIApp:
    """Show how many contacts meet each rule and all of them, and who would enter and leave."""
    draft = read_draft(await visit.read_form())
    checked = check_draft(draft, strict=visit.services.strict)
    if checked.condition is None:
        return Html("")
    try:
        run = await run_dry(visit, draft, checked.condition)
    except InvalidInput as invalid:
        return _show(visit, draft, [], faults=explain_faults(invalid.faults, draft.rules))
    except Unavailable as unavailable:
        problem = f"{unavailable.answer}. The rules can be saved without a count."
        return _show(visit, draft, [], problem=problem)
    return _show(visit, draft, _find_counts(draft, run, checked.condition.tree), run=run)


def _show(visit: Visit, draft: Draft, counts: Sequence[tuple[str, int]], **values: Any) -> Html:
    """Return what the page shows of a dry run."""
    shown = {"run": None, "problem": "", "faults": {}} | values
    return visit.show("builder/counted.html", draft=draft, counts=counts, **shown)


def _find_counts(draft: Draft, run: DryRun, node: tree.Node) -> Sequence[tuple[str, int]]:
    """Return how many contacts meet each rule alone, by the id of the rule."""
    ids, paths = list_ids(draft.rules), iterate_rule_paths(node, ())
    found = [
        (find_part(ids, path)[0], path, count) for path, (_, count) in zip(paths, run.rules, strict=True)
    ]
    # Within a group that is shown as JSON a rule has no place of its own; each level of groups has two steps.
    return [(id_, count) for id_, path, count in found if len(path) == 2 * id_.count("-")]


async def run_dry(visit: Visit, draft: Draft, condition: Condition) -> DryRun:
    """Try rules, compared with those of the stored dynamic segment; raise as the dry run does."""
    await visit.services.events.require_kept(visit.caller, condition)
    replaces = draft.segment if draft.segment and draft.type is SegmentType.DYNAMIC else None
    return await visit.services.dry_runs.run(visit.caller, condition.tree, replaces, condition.references)
