"""The server itself, for whoever operates it: only what `/metrics` and `/ready` show without a key."""

from typing import Any, Final

import msgspec
from litestar.types import ASGIApp

from diglot.console.visit import Visit
from diglot.server.observability.families import REQUEST_BUCKETS
from diglot.server.observability.process_metrics import START_TIME
from diglot.server.observability.readiness import OK
from diglot.server.observability.summary import Summary
from diglot.server.operator_pages import OPERATOR_PAGES, OperatorPages

_SECOND: Final = 1_000_000
_MEMORY: Final = "process_resident_memory_bytes"
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
# The states of parts of `/ready`, in words: the name of the part, what is right, and what each word means.
_GOOD: Final = {
    "database": ("The database", "It answers."),
    "schema": ("The tables", "They are those of this version."),
    "disk": ("The disk", "It has room."),
    "serving": ("The server", "It takes requests."),
}
_BAD: Final = {
    "unavailable": "It does not answer. Requests get 503 until it does.",
    "timed out": "It takes too long to answer.",
    "another revision": "They are of another version: run “diglot migrate”, or start that version.",
    "unknown": "They could not be read.",
    "almost full": "It is almost full. Writes fail when it is full: make room.",
    "draining": "It is about to stop, and takes no new connections soon.",
}
_QUANTILES: Final = ((0.5, "half of them"), (0.95, "95 of 100"), (0.99, "99 of 100"))


async def show(visit: Visit) -> ASGIApp:
    """Show the page; its figures arrive after it, and follow."""
    return visit.show("ops/operator.html", limits=msgspec.json.encode(REQUEST_BUCKETS).decode())


async def show_figures(visit: Visit) -> ASGIApp:
    """Show the state of each part and the figures of now."""
    pages: OperatorPages = visit.request.app.state[OPERATOR_PAGES]
    found = await pages.summarize()
    stored, counted, now = found.stored, found.counted, pages.clock()
    return visit.show(
        "ops/figures.html",
        parts=[_say_state(name, state) for name, state in found.states.items()],
        summary=found,
        sample=msgspec.json.encode(_take_sample(found, now)).decode(),
        memory=found.measured.sums.get(_MEMORY),
        started=_started_at(found),
        quantiles=[(words, counted.find_quantile(share)) for share, words in _QUANTILES],
        late=0 if stored is None else _age(stored.now, stored.due_since),
        verified=None if stored is None else _age(stored.now, stored.oldest_evaluation),
        say_length=_say_length,
        say_bytes=_say_bytes,
    )


def _say_state(name: str, state: str) -> tuple[str, bool, str]:
    """Return a part in words: its name, whether it is right, and what that means."""
    title, good = _GOOD.get(name, (name, "It is right."))
    return title, state == OK, good if state == OK else _BAD.get(state, state)


def _take_sample(found: Summary, now: int) -> dict[str, Any]:
    """Return the figures of now for the charts; counters count since the server started."""
    counted, stored = found.counted, found.stored
    return {
        "at": now / _SECOND,
        "requests": counted.requests,
        "failed": counted.by_status["5"],
        "buckets": counted.buckets,
        "errors": counted.database_errors,
        "inUse": counted.connections_in_use,
        "waiting": counted.waiting,
        "deliveries": None if stored is None else stored.waiting_deliveries,
    }


def _started_at(found: Summary) -> int | None:
    started = found.measured.sums.get(START_TIME)
    return None if started is None else int(started * _SECOND)


def _age(now: int, since: int | None) -> int | None:
    return None if since is None else max(0, now - since) // _SECOND


def _say_length(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    rest, said = int(seconds), []
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number:
            said.append(f"{number:,} {unit}{'' if number == 1 else 's'}")
    return " ".join(said[:2]) or "less than a second"


def _say_bytes(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}"
        number /= 1024
    return f"{number:,.1f} GiB"
