"""Compiles the comparison of an instant with several days and instants to SQL."""

from collections.abc import Iterator, Sequence

from sqlalchemy import and_, or_

from diglot.conditions import dates, tree
from diglot.storage.predicates.binder import INTEGER, SHORT_SPAN_LIST, Binder, bind_integer, one_of
from diglot.storage.sql.backend import Expression


def compile_instant_in(column: Expression, scalars: Sequence[tree.Scalar], binder: Binder) -> Expression:
    """Return whether an instant is one of some, or lies in one of some days."""
    spans = [dates.operand_to_span(day, binder.zone) for day in scalars if isinstance(day, tree.Day)]
    instants = [
        binder.to_instant(scalar)
        for scalar in scalars
        if isinstance(scalar, tree.Instant | tree.LocalInstant)
    ]
    is_one_instant = one_of(column, instants, INTEGER, binder)
    if not spans:
        return is_one_instant
    return or_(is_one_instant, _in_any_span(column, spans, binder))


def _in_any_span(column: Expression, spans: Sequence[tuple[int, int]], binder: Binder) -> Expression:
    bounds = list(_merge_spans(spans))
    if len(bounds) > 2 * SHORT_SPAN_LIST:
        binder.shape.append("spans")
        return binder.backend.in_any_span(column, bounds, binder.bind)
    binder.shape.append(f"{len(bounds)} bounds")
    bound = [bind_integer(instant, binder) for instant in bounds]
    pairs = zip(bound[::2], bound[1::2], strict=True)
    return or_(*(and_(column >= begin, column < end) for begin, end in pairs))


def _merge_spans(spans: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Yield begin and end in turn, ascending, of the spans that are left when those that meet are merged."""
    ordered = sorted(spans)
    _, last = ordered[0]
    yield ordered[0][0]
    for begin, end in ordered[1:]:
        if begin > last:
            yield from (last, begin)
        last = max(last, end)
    yield last
