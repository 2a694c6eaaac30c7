"""Every story of tests/spec/http, told to the app on every database; the documents describe each answer."""

import json
from typing import Any

import pytest

from described import undescribed
from engines import Database
from exchanges import Json, Step, Story, difference, fill, load_stories, pick
from server import Server, bearer, serving

STORIES = load_stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.file)
async def test_story(database: Database, story: Story) -> None:
    """Each request of the story gets its answer, to the order of the keys."""
    now = round(story.now.timestamp() * 1_000_000)
    async with database.fresh() as url, serving(url, now=now) as server:
        kept: dict[str, Json] = {}
        for name, key in story.keys.items():
            kept[f"key.{name}"] = await server.key(key.dialect, key.workspace, key.scopes)
        faults = [fault for step in story.steps if (fault := await _take(server, step, kept))]
    assert not faults, "\n".join(faults)


async def _take(server: Server, step: Step, kept: dict[str, Json]) -> str | None:
    server.now += round(step.clock.total_seconds() * 1_000_000)
    answer = await server.client.request(
        step.method,
        str(fill(step.path, kept)),
        params={key: str(fill(value, kept)) for key, value in step.query.items()} or None,
        headers=_headers(step, kept),
        content=step.content(kept),
    )
    body: Any = json.loads(answer.content) if answer.content else None
    found = _status(step, answer.status_code, body) or difference(fill(step.answer, kept), body)
    found = found or undescribed(
        step.method, answer.request.url.path, answer.status_code, answer.headers, body
    )
    for name, value in step.headers_out.items():
        found = found or difference(value, answer.headers.get(name), f"header {name}")
    for name, path in step.keep.items():
        if found is None:
            kept[name] = pick(body, path)
    return None if found is None else f"{step.name}: {found}"


def _status(step: Step, status: int, body: Any) -> str | None:
    return None if status == step.status else f"status {status}, not {step.status}: {json.dumps(body)[:300]}"


def _headers(step: Step, kept: dict[str, Json]) -> dict[str, str]:
    headers = {} if step.key is None else dict(bearer(str(kept[f"key.{step.key}"])))
    if step.has_body or step.text is not None:
        headers["Content-Type"] = "application/json"
    lower = {name.lower() for name in step.headers}
    kept_headers = {name: value for name, value in headers.items() if name.lower() not in lower}
    return kept_headers | {name: str(fill(value, kept)) for name, value in step.headers.items()}
