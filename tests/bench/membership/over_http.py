"""Compares the server CPU of saved counts and pages over HTTP with a bare ASGI app."""

import statistics

from bench import http_cost
from bench.http_cost import Call
from bench.membership.notes import MAIN
from bench.membership.reads import PAGE, SHARES, first_key
from bench.membership.report import Line, Outcome, at_most, format_time
from bench.membership.segments import ALMOST_ALL
from bench.membership.store import Store
from diglot.model.ids import format_prefixed_id


async def costs(store: Store) -> Outcome:
    """Compare the server CPU of Diglot and of the bare app, which return the same bytes in turn."""
    made, keys = store.note.named(ALMOST_ALL), store.note.keys[MAIN]
    one = "/mail/v1/segments/"
    calls = [Call("saved count", one + format_prefixed_id(made.id), one + made.id, keys["misar"], 1500)]
    first_keys = {}
    for share in SHARES:
        offset = int(store.note.contacts * share)
        path = f"/api/v1/segments/{made.id}/contacts?limit={PAGE}&offset={offset}"
        calls.append(Call(f"page of {PAGE} at offset {offset:,}", path, path, keys["topmail"], 200))
        first_keys[offset] = await first_key(store, made.id, offset)
    count = await store.count_segment(made)
    await http_cost.measure(calls, store.url, count, pages=first_keys, sides=2)
    return Outcome([_line(call) for call in calls])


def _line(call: Call) -> Line:
    ours, bare = call.cpu["diglot"], call.cpu["bare"]
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    what = (
        f"{call.name} over HTTP, compared with a bare ASGI app that sends the same bytes, CPU of the server"
    )
    return at_most(
        what, format_time(statistics.median(ours)), format_time(statistics.median(bare)), ratios, 3
    )
