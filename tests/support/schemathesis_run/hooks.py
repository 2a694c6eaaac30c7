"""Hooks that Schemathesis loads in its own process, in addition to its configuration.

No check is off. Two of them say that well-formed requests are accepted and others are not; their failures are
dropped if a row of `tests/spec/outside/refusals.json` explains them, and that of a third if what it still
finds is a revoked key. The hooks count the dropped ones, and the test judges the number.
"""

import atexit
import json
import os
import re
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any, Final

import schemathesis
from requests.structures import CaseInsensitiveDict
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.engine.run.stateful import _executor
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

from support.schemathesis_run.refusals import GeneratedRequest, reason, rows

Case = schemathesis.Case[Any]
Response = schemathesis.Response
_RULES: Final = rows()
_OWN_KEY: Final = os.environ.get("DIGLOT_OUTSIDE_KEY", "")
_SHOWN: Final = "ada@example.com"
_NAME: Final = re.compile("[!-~]([ -~]{,200}[!-~])?")
_number: Final = count()
_NOBODY: Final = "0198ffff-ffff-7fff-bfff-ffffffffffff"
_counts: Final[dict[str, Counter[str]]] = {
    name: Counter() for name in ("phases", "accepted", "calls", "refused", "passed over", "walks")
}


# A walk that repeats the steps of another gets other responses (the tag exists already), which confuses
# Hypothesis. Schemathesis then gives up after a dozen walks, unless it has a time limit; here it starts again
# until the requested number of walks is reached, but not for ever: a start that ends in its first walk each
# time would fill the memory.
_starts: Final = count(1)
_lost = _executor._classify_flaky


def _begin_again(*, ctx: Any, engine: Any, state: Any) -> Any:
    status, again, events = _lost(ctx=ctx, engine=engine, state=state)
    settings = engine.config.get_hypothesis_settings(phase="stateful", apply_ci_profile=False)
    wanted = settings.max_examples
    incomplete = not events and ctx.completed_scenarios < wanted and next(_starts) < wanted
    return status, again or incomplete, events


_executor._classify_flaky = _begin_again


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Keep the calling key valid, and make names and addresses unique.

    Without the key every later response would be a 401, which no check rejects; with the one name or address
    of the document's examples, a 409.
    """
    del context, kwargs
    named = (case.headers or CaseInsensitiveDict()).get("Idempotency-Key")
    if isinstance(named, str) and _NAME.fullmatch(named):
        case.headers["Idempotency-Key"] = f"{named}-{next(_number)}"
    if isinstance(case.body, dict) and case.body.get("email") == _SHOWN and _call(case) == "createContact":
        case.body = case.body | {"email": f"ada{next(_number)}@example.com"}
    if _OWN_KEY:
        for place in (case.path_parameters, case.query):
            for name in ("key_id", "id"):
                if (place or {}).get(name) == _OWN_KEY:
                    place[name] = _NOBODY


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: Case, response: Response) -> None:
    """Count the response."""
    del context
    phase = case.meta.phase.name.value if case.meta else "probes"
    mode = case.meta.generation.mode.value if case.meta else "none"
    _counts["phases"][f"{phase} {mode} {response.status_code}"] += 1
    call = _call(case)
    _counts["calls"][call] += 1
    if response.status_code < 300:
        _counts["accepted"][call] += 1


@schemathesis.check
def count_walks(ctx: schemathesis.CheckContext, response: Response, case: Case) -> None:
    """Count the steps from one call to the next, and those where both succeeded."""
    parent = ctx.internals.find_parent(case_id=case.id)
    before = None if parent is None else ctx.internals.find_response(case_id=parent.id)
    if parent is not None and before is not None and max(before.status_code, response.status_code) < 300:
        _counts["walks"][f"{_call(parent)} -> {_call(case)}"] += 1


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: Case,
    response: Response,
) -> bool:
    """Drop the failure of a rejection that a row explains, or of a response that reports its faults."""
    del context
    names: list[str] | None = None
    status = response.status_code
    sent = GeneratedRequest(_call(case), case.path_parameters or {}, case.query or {}, case.body)
    if isinstance(failure, RejectedPositiveData) and status == 400:
        names = reason(sent, response.json(), _RULES)
    elif isinstance(failure, AcceptedNegativeData) and status < 300:
        names = [row.name for row in _RULES if row.explains_acceptance(sent, response.json())] or None
    elif isinstance(failure, UseAfterFree) and _call(case) == "getKey":
        # As the vendor does: a key is revoked, not deleted, and is still shown.
        names = ["a key that was revoked"] if response.json()["key"]["is_active"] is False else None
    _counts["refused"].update(set(names or ()))
    _counts["passed over"][type(failure).__name__] += names is not None
    return names is None


def _call(case: Case) -> str:
    return str(case.operation.definition.raw.get("operationId"))


@atexit.register
def _tell() -> None:
    if (path := os.environ.get("DIGLOT_OUTSIDE_COUNTS")) is not None:
        Path(path).write_text(json.dumps({name: dict(counts) for name, counts in _counts.items()}))
