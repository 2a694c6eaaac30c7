"""A server sends every error response of the OpenAPI documents, with the same headers."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.errors import DatabaseAway, DatabaseBusy
from diglot.service.audience.segments import Segments
from diglot.service.contacts.contacts import Contacts
from support.openapi import documents
from support.servers.in_process import Server, bearer, idle_scope

# Half a minute into a minute.
NOW = 1_772_366_430_000_000
CRITERIA = {"field": "email", "operator": "equals", "value": "ada@example.com"}
NOBODY = "0198ffff-ffff-7fff-bfff-ffffffffffff"
BIG = b'{"name": "' + b"a" * 1024 * 1024 + b'"}'
LIMIT = 5
SERVING = {"now": NOW, "rate_limits": "vendor", "max_segments": LIMIT}


@dataclass
class FaultCase:
    """A server, a key with all scopes, and the paths of resources under the prefix of a surface."""

    server: Server
    dialect: str
    prefix: str
    key: str
    segment: str = ""

    @property
    def writes(self) -> str:
        """The path of a call that takes a body."""
        return f"{self.prefix}/segments{'/preview' if self.prefix == '/io/contacts' else ''}"

    @property
    def members(self) -> str:
        """The path of a call that lists members."""
        last = "contacts" if self.dialect == "topmail" else "members"
        return f"{self.prefix}/segments/{self.segment}/{last}"

    async def send(self, method: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        """Send a request with the given key, by default the one with all scopes."""
        headers = {**(bearer(key or self.key) if key != "" else {}), **more.pop("headers", {})}
        return await self.server.client.request(method, path, headers=headers, **more)


async def _bad(asked: FaultCase) -> httpx.Response:
    return await asked.send("GET", asked.members, params={"as_of": "never"})


async def _unknown(asked: FaultCase) -> httpx.Response:
    return await asked.send("GET", asked.members, "")


async def _may_not(asked: FaultCase) -> httpx.Response:
    idle = idle_scope(get_dialect(asked.dialect))
    key = await asked.server.key(asked.dialect, "one", (idle,))
    return await asked.send("GET", asked.members, key)


async def _full(asked: FaultCase) -> httpx.Response:
    for number in range(LIMIT):
        answer = await asked.send("POST", asked.writes, json=_segment(asked, f"{number} more"))
        if not answer.is_success:
            break
    return answer


async def _missing(asked: FaultCase) -> httpx.Response:
    return await asked.send("GET", asked.members.replace(asked.segment, NOBODY))


async def _repeated(asked: FaultCase) -> httpx.Response:
    results = [
        await asked.send("POST", asked.writes, json=_segment(asked, name), headers={"Idempotency-Key": "a"})
        for name in ("first", "second")
    ]
    assert results[0].is_success
    return results[1]


async def _taken(asked: FaultCase) -> httpx.Response:
    results = [
        await asked.send("POST", f"{asked.prefix}/contacts", json={"email": "bob@example.com"}) for _ in "12"
    ]
    return results[1]


async def _big(asked: FaultCase) -> httpx.Response:
    return await asked.send("POST", asked.writes, content=BIG, headers={"Content-Type": "application/json"})


async def _media(asked: FaultCase) -> httpx.Response:
    return await asked.send("POST", asked.writes, content=b"a", headers={"Content-Type": "text/plain"})


async def _often(asked: FaultCase) -> httpx.Response:
    for _ in range(201):
        answer = await asked.send("GET", asked.members)
        if answer.status_code == 429:
            break
    return answer


async def _broken(asked: FaultCase) -> httpx.Response:
    return await _raising(asked, RuntimeError())


async def _away(asked: FaultCase) -> httpx.Response:
    return await _raising(asked, DatabaseAway("no route to the host"))


async def _busy(asked: FaultCase) -> httpx.Response:
    return await _raising(asked, DatabaseBusy("8 connections are in use"))


async def _raising(asked: FaultCase, error: Exception) -> httpx.Response:
    def fail(*_: object, **__: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patched:
        for service, name in (
            (Segments, "list_member_ids"),
            (Segments, "list_all_member_ids"),
            (Segments, "list_members"),
            (Contacts, "list_page"),
        ):
            patched.setattr(service, name, fail)
        return await asked.send("GET", asked.members)


FAULTS: dict[str, dict[str, Callable[[FaultCase], Awaitable[httpx.Response]]]] = {
    "BadRequest": {"a-time-that-is-none": _bad},
    "Unauthorized": {"no-key": _unknown},
    "Forbidden": {"a-key-without-the-scope": _may_not, "a-workspace-that-is-full": _full},
    "NotFound": {"no-such-segment": _missing},
    "Repeated": {"the-name-of-another-request": _repeated},
    "Conflict": {"an-address-that-a-contact-has": _taken, "the-name-of-another-request": _repeated},
    "ContentTooLarge": {"more-than-a-mebibyte": _big},
    "UnsupportedMediaType": {"not-JSON": _media},
    "TooManyRequests": {"half-a-minute-to-wait": _often},
    "InternalServerError": {"a-fault-of-Diglot": _broken},
    "ServiceUnavailable": {"no-database": _away, "a-busy-server": _busy},
}
# The first surface of each error body, and the prefix of its shared responses.
SURFACES = (("misar", "/mail/v1", ""), ("misar", "/io/contacts", "Platform"), ("topmail", "/api/v1", ""))


def _segment(asked: FaultCase, name: str) -> dict[str, Any]:
    if asked.dialect == "topmail":
        return {"name": name, "conditions": {"match": "all", "rules": [CRITERIA]}}
    criteria = {"operator": "AND", "rules": [CRITERIA]}
    if asked.prefix == "/io/contacts":
        return {"filterCriteria": {"operator": "AND", "rules": [CRITERIA | {"value": name}]}}
    return {"name": name, "segment_type": "dynamic", "filter_criteria": criteria}


async def _asked(server: Server, dialect: str, prefix: str) -> FaultCase:
    asked = FaultCase(server, dialect, prefix, await server.key(dialect, "one"))
    created = FaultCase(server, dialect, "/api/v1" if dialect == "topmail" else "/mail/v1", asked.key)
    answer = await created.send("POST", created.writes, json=_segment(created, "everybody"))
    asked.segment = answer.json()["data"]["id"]
    return asked


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("dialect", "prefix", "surface"), SURFACES, ids=lambda part: part or "first")
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_error_response_matches_its_example(
    server: Server, dialect: str, prefix: str, surface: str, fault: str
) -> None:
    """The body equals the example, and the document describes every header."""
    shared = documents.document_of(dialect)["components"]["responses"][surface + fault]
    examples = shared["content"][documents.JSON]["examples"]
    asked = await _asked(server, dialect, prefix)
    for name, example in examples.items():
        answer = await FAULTS[fault][name](asked)
        assert documents.contradiction(answer) is None
        assert _without_seconds(answer.text) == _without_seconds(documents.as_sent(example["value"]))
        documented = {name.lower() for name in shared["headers"]}
        assert documented == set(answer.headers) - documents.SILENT


def test_every_documented_error_is_provoked() -> None:
    """The cases above cover every shared response and every example of one."""
    for dialect in DIALECTS:
        for name, shared in documents.document_of(dialect.name)["components"]["responses"].items():
            examples = shared["content"][documents.JSON]["examples"]
            assert set(examples) <= set(FAULTS[name.removeprefix("Platform")])


@pytest.mark.parametrize(("dialect", "prefix", "_surface"), SURFACES, ids=lambda part: part or "first")
async def test_the_headers_of_success_are_sent(
    server: Server, dialect: str, prefix: str, _surface: str
) -> None:
    """The documented headers are sent: rate limits, the last entry, and the replay mark."""
    asked = await _asked(server, dialect, prefix)
    named, body = {"Idempotency-Key": "once"}, _segment(asked, "named")
    answers = [await asked.send("GET", asked.members)]
    answers += [await asked.send("POST", asked.writes, headers=named, json=body) for _ in "12"]
    assert [documents.contradiction(answer) for answer in answers] == [None] * 3
    for answer in (answers[0], answers[2]):
        call = documents.call_of(answer.request.method, answer.request.url.path)
        assert call is not None
        documented = call.answer(answer.status_code)
        assert documented is not None
        assert {name.lower() for name in documented["headers"]} == set(answer.headers) - documents.SILENT


def _without_seconds(text: str) -> str:
    """Return a text without numbers, because the seconds to wait depend on the clock, limits on settings."""
    return re.sub(r"\b[0-9]{1,2}\b(,[0-9]{3})?", "N", text)
