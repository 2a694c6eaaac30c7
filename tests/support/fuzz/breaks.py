"""Functions that break a request. Each takes a draft and breaks it, even if others have broken it before."""

import copy
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from diglot.service.access.sessions import compute_csrf_token
from support import edge_values
from support.edge_values import AGAIN, Raw
from support.fuzz.drafts import Draft

Break = Callable[[Random, Draft], None]
Slot = tuple[Any, Any]


def _slots(value: Any) -> list[Slot]:
    """Return every place inside a JSON value: its container and its key there."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    results: list[Slot] = []
    for key in keys:
        results.append((value, key))
        if isinstance(value[key], dict | list):
            results += _slots(value[key])
    return results


def _slot(rng: Random, draft: Draft) -> Slot | None:
    if not isinstance(draft.body, dict | list) or not draft.body:
        return None
    draft.body = copy.deepcopy(draft.body)
    return rng.choice(_slots(draft.body))


def _replace(rng: Random, draft: Draft) -> None:
    if (slot := _slot(rng, draft)) is not None:
        slot[0][slot[1]] = edge_values.value(rng)


def _remove(rng: Random, draft: Draft) -> None:
    if (slot := _slot(rng, draft)) is not None:
        del slot[0][slot[1]]


def _wrap(rng: Random, draft: Draft) -> None:
    if (slot := _slot(rng, draft)) is not None:
        container, key = slot
        container[key] = rng.choice(
            ([container[key]], {"rules": [container[key]]}, {"value": container[key]})
        )


def _repeat_key(rng: Random, draft: Draft) -> None:
    slot = _slot(rng, draft)
    if slot is not None and isinstance(slot[0], dict):
        slot[0][f"{slot[1]}{AGAIN}"] = edge_values.value(rng)


def _add_key(rng: Random, draft: Draft) -> None:
    slot = _slot(rng, draft)
    if slot is not None and isinstance(slot[0], dict):
        slot[0][rng.choice(edge_values.KEYS)] = edge_values.value(rng)


def _rename(rng: Random, draft: Draft) -> None:
    slot = _slot(rng, draft)
    if slot is not None and isinstance(slot[0], dict):
        slot[0][rng.choice(edge_values.KEYS)] = slot[0].pop(slot[1])


def _multiply(rng: Random, draft: Draft) -> None:
    slot = _slot(rng, draft)
    if slot is not None and isinstance(slot[0], list):
        slot[0].extend([slot[0][slot[1]]] * rng.choice((1, 51, 251, 1_000)))


def _nest(rng: Random, draft: Draft) -> None:
    slot = _slot(rng, draft)
    if slot is not None:
        inner = edge_values.encode(slot[0][slot[1]])
        depth = rng.choice((2, 8, 33, 1_000, 10_000))
        opening = rng.choice((b'{"rules":[', b'{"match":"any","rules":[', b'{"operator":"AND","rules":['))
        slot[0][slot[1]] = Raw(opening * depth + inner + b"]}" * depth)


def _whole(rng: Random, draft: Draft) -> None:
    draft.body = edge_values.value(rng)


def _damage(rng: Random, draft: Draft) -> None:
    draft.content = rng.choice(DAMAGES)(rng, draft.content)


Content = Callable[[bytes], bytes]


def _splice(rng: Random, before: Content) -> Content:
    where, insert = (
        rng.random(),
        rng.choice((b"\x00", b"\xff", b"\xed\xa0\x80", b'"', b"}", b",", b"\\", b"\\u0000")),
    )
    cut = rng.choice((0, 1, 5))

    def spliced(body: bytes) -> bytes:
        text = before(body)
        at = int(len(text) * where)
        return text[:at] + insert + text[at + cut :]

    return spliced


def _truncate(rng: Random, before: Content) -> Content:
    share = rng.random()
    return lambda body: before(body)[: int(len(body) * share)]


def _pad(rng: Random, before: Content) -> Content:
    padding = rng.choice((b" ", b"\n", b"\x00", b"a")) * (edge_values.MEGABYTE + 1)
    return lambda body: before(body) + padding


def _recode(rng: Random, before: Content) -> Content:
    encoding = rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7", "cp037"))
    return lambda body: before(body).decode("latin-1").encode(encoding)


DAMAGES: Final = (_splice, _splice, _splice, _truncate, _truncate, _recode, _pad)


def _body_where_none(rng: Random, draft: Draft) -> None:
    draft.has_body, draft.body = True, edge_values.value(rng)
    draft.headers.append((b"content-type", b"application/json"))


def _no_body(rng: Random, draft: Draft) -> None:
    del rng
    draft.has_body = False


def _pieces(rng: Random, draft: Draft) -> None:
    draft.piece = rng.choice((1, 7, 4096)) if len(edge_values.encode(draft.body)) < 5_000 else 4096


def _content_type(rng: Random, draft: Draft) -> None:
    draft.headers = [pair for pair in draft.headers if pair[0] != b"content-type"]
    if rng.random() < 0.8:
        draft.headers.append((b"content-type", rng.choice(edge_values.CONTENT_TYPES)))


def _header(rng: Random, draft: Draft) -> None:
    times = rng.choice((1, 1, 1, 2, 300))
    draft.headers += [(rng.choice(edge_values.HEADER_NAMES), rng.choice(edge_values.HEADER_VALUES))] * times


def _length(rng: Random, draft: Draft) -> None:
    draft.headers.append(
        (b"content-length", rng.choice((b"99999999999", edge_values.DIGITS.encode(), b"-1", b"\xb2", b"x")))
    )


def _key(rng: Random, draft: Draft) -> None:
    token = rng.choice((*(key.encode() for key in draft.known.other_keys), *edge_values.HEADER_VALUES))
    scheme = rng.choice((b"Bearer ", b"bearer  ", b"Basic ", b"", b"Bearer\t"))
    draft.headers = [pair for pair in draft.headers if pair[0] != b"authorization"]
    if rng.random() < 0.9:
        draft.headers.append((rng.choice((b"authorization", b"x-api-key")), scheme + token))


def _session(rng: Random, draft: Draft) -> None:
    secret = rng.choice((draft.known.session, *draft.known.other_sessions))
    cookies = [f"diglot_session={secret}", "a=b; ", ";", "diglot_session"]
    draft.headers = [pair for pair in draft.headers if pair[0] != b"authorization"]
    for cookie in rng.sample(cookies, rng.randint(1, 2)):
        draft.headers.append((b"cookie", cookie.encode()))
    token = rng.choice(
        (
            compute_csrf_token(draft.known.session).encode(),
            compute_csrf_token("x").encode(),
            *edge_values.HEADER_VALUES,
        )
    )
    shown = (
        (b"x-csrf-token", token),
        (b"origin", rng.choice((b"http://diglot", b"null", b"http://[", b"https://elsewhere.example"))),
        (b"sec-fetch-site", rng.choice((b"same-origin", b"none", b"same-site", b"cross-site", b"\xff"))),
    )
    draft.headers += [pair for pair in shown if rng.random() < 0.6]


def _method(rng: Random, draft: Draft) -> None:
    draft.method = rng.choice((*edge_values.METHODS, "GET", "POST", "PATCH", "DELETE"))


def _path(rng: Random, draft: Draft) -> None:
    part = rng.choice((*edge_values.PATH_PARTS, *(id_.encode() for id_ in draft.known.foreign)))
    at = rng.randrange(2, len(draft.path) + 1)
    draft.path[at : at + rng.randint(0, 1)] = [part]


def _foreign(rng: Random, draft: Draft) -> None:
    ids = {id_.encode() for id_ in draft.known.ids}
    other = rng.choice(draft.known.foreign).encode()
    draft.path = [other if part in ids else part for part in draft.path]
    draft.query = [(key, other if value in ids else value) for key, value in draft.query]


def _query(rng: Random, draft: Draft) -> None:
    pair = (rng.choice(edge_values.QUERY_KEYS), rng.choice(edge_values.QUERY_VALUES))
    draft.query += [pair] * rng.choice((1, 1, 1, 2, 1_000 if len(pair[1]) < 50 else 1))


BODY_BREAKS: Final[Sequence[Break]] = (
    *(
        _replace,
        _replace,
        _replace,
        _replace,
        _remove,
        _wrap,
        _repeat_key,
        _add_key,
        _rename,
        _multiply,
        _nest,
    ),
    *(_whole, _damage, _damage, _no_body, _pieces, _content_type, _length),
)
OTHER_BREAKS: Final[Sequence[Break]] = (
    *(_header, _key, _session, _method, _path, _path, _foreign, _query, _query, _query, _body_where_none),
)
