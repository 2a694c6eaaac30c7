"""The operator's page: what `/metrics` and `/ready` say, in words."""

import html
import re
from typing import Any, Final

import msgspec
import pytest

from diglot.console.pages.ops import operator
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.families import REQUEST_BUCKETS, SIZE
from diglot.server.observability.summary import Counted, count_figures
from diglot.server.operator_pages import OperatorPages
from support.servers.in_process import Server, bearer
from support.servers.person import Person, sign_in

NOW: Final = 1_772_366_400_000_000
SERVING: Final = {"now": NOW}
OPERATOR: Final = "/console/operator"


async def open_figures(person: Person) -> tuple[str, dict[str, Any]]:
    """Return the part with the figures as text, and the sample for the charts."""
    answer = await person.open(f"{OPERATOR}/figures")
    assert answer.status_code == 200
    found = re.search(r'data-sample="([^"]+)"', answer.text)
    assert found is not None
    return html.unescape(answer.text), msgspec.json.decode(html.unescape(found[1]))


async def test_the_figures_are_those_of_the_metrics(server: Server) -> None:
    """Requests of the APIs are counted, those of pages are not; each part is right."""
    person = await sign_in(server)
    assert 'data-graph="latency"' in (await person.open(OPERATOR)).text
    _, before = await open_figures(person)
    key = await server.key("misar", "one")
    for path, status in (("/mail/v1/segments", 200), ("/mail/v1/segments/x", 404)):
        assert (await server.client.get(path, headers=bearer(key))).status_code == status
    text, after = await open_figures(person)
    assert after["requests"] == before["requests"] + 2
    assert after["buckets"][-1] == before["buckets"][-1] + 2
    assert (after["failed"], after["deliveries"]) == (before["failed"], 0)
    for words in ("It answers.", "It takes requests.", "members are those of now", "Python 3.", "none waits"):
        assert words in text


async def test_nobody_sees_more_than_without_a_key(server: Server) -> None:
    """Names of workspaces and contacts are not among the figures, and a stranger is asked to sign in."""
    await server.key("misar", "A rival")
    text, _ = await open_figures(await sign_in(server))
    assert "rival" not in text
    assert (await Person(server).open(OPERATOR)).status_code == 303


async def test_a_database_that_does_not_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so, and what is still known."""
    person = await sign_in(server)

    async def know_nothing(self: object) -> None:
        del self

    async def find_states(self: object) -> dict[str, str]:
        del self
        return {"database": "unavailable", "schema": "another revision", "serving": "draining", "else": "odd"}

    monkeypatch.setattr(OperatorPages, "_get_stored", know_nothing)
    monkeypatch.setattr("diglot.server.observability.readiness.Readiness.find_states", find_states)
    text, sample = await open_figures(person)
    assert sample["deliveries"] is None
    for words in ("did not answer", "Requests get 503", "run “diglot migrate”", "about to stop", "odd"):
        assert words in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "less than a second"), (1, "1 second"), (3_661, "1 hour 1 minute"), (200_000, "2 days 7 hours")],
)
def test_lengths_of_time(seconds: int, said: str) -> None:
    """The two largest units are enough."""
    assert operator._say_length(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"), [(5, "5 bytes"), (2_048, "2 KiB"), (5 << 20, "5 MiB"), (3 << 29, "1.5 GiB")]
)
def test_sizes(number: int, said: str) -> None:
    """Sizes have their unit."""
    assert operator._say_bytes(number) == said


def test_quantiles() -> None:
    """Between the limits of a bucket requests lie evenly; above the last one its limit is known."""
    none = count_figures(SharedCells(SIZE))
    assert (none.requests, none.find_quantile(0.5)) == (0, None)
    buckets = [0, 10, *(20 for _ in REQUEST_BUCKETS[2:]), 20]
    half = Counted({}, buckets, 0, 0, 0, 0, 0, {}, {}, {})
    assert half.find_quantile(0.25) == pytest.approx(
        REQUEST_BUCKETS[0] + 0.5 * (REQUEST_BUCKETS[1] - REQUEST_BUCKETS[0])
    )
    slow = Counted({}, [*(0 for _ in REQUEST_BUCKETS), 3], 0, 0, 0, 0, 0, {}, {}, {})
    assert slow.find_quantile(0.5) == REQUEST_BUCKETS[-1]
