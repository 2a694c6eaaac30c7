"""Runs the stories of tests/spec/http against an app, and returns the results."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from diglot.service.access.webhook_sources import WebhookSources
from support.openapi import documents
from support.openapi.exchanges import Json, Source, Step, Story, difference, fill, pick
from support.servers.in_process import Server, bearer, serving
from support.webhook_signatures import SIGNERS


@dataclass(frozen=True)
class StepResult:
    """A step, its response, and its fault."""

    step: Step
    answer: httpx.Response
    fault: str | None


async def run_story(story: Story, server: Server) -> list[StepResult]:
    """Run a story against an app with the story's settings, in which its workspaces do not exist yet."""
    server.now = round(story.now.timestamp() * 1_000_000)
    kept: dict[str, Json] = {}
    for name, key in story.keys.items():
        kept[f"key.{name}"] = await server.key(key.dialect, key.workspace, key.scopes)
    for name, source in story.sources.items():
        kept[f"source.{name}"] = await _create_source(server, source)
    return [await _take(server, step, kept, story.sources) for step in story.steps]


async def _create_source(server: Server, source: Source) -> str:
    sources = WebhookSources(await server.beside.engine(), lambda: server.now)
    id_ = await sources.create(server.apart + source.workspace, source.dialect)
    await sources.set_secret(id_, source.secret)
    return id_


async def run_story_alone(story: Story, url: str) -> list[StepResult]:
    """Run a story against an app of its own on an empty, migrated database."""
    async with serving(url, **story.settings) as server:
        return await run_story(story, server)


async def _take(
    server: Server, step: Step, kept: dict[str, Json], sources: Mapping[str, Source]
) -> StepResult:
    server.now += round(step.clock.total_seconds() * 1_000_000)
    headers, content = _headers(step, kept), step.content(kept)
    if step.signed is not None:
        assert content is not None
        source = sources[step.signed]
        headers |= SIGNERS[source.dialect](content, source.secret, server.now)
    answer = await server.client.request(
        step.method,
        str(fill(step.path, kept)),
        params={key: str(fill(value, kept)) for key, value in step.query.items()} or None,
        headers=headers,
        content=content,
    )
    body: Any = documents.read_body(answer.headers, answer.content)
    result = _status(step, answer.status_code, body) or difference(fill(step.answer, kept), body)
    result = result or _contradicted_error(body)
    for name, value in step.headers_out.items():
        result = result or difference(value, answer.headers.get(name), f"header {name}")
    for name, path in step.keep.items():
        if result is None:
            kept[name] = pick(body, path)
    result = result or _undocumented(step, answer)
    return StepResult(step, answer, None if result is None else f"{step.name}: {result}")


def _contradicted_error(body: Any) -> str | None:
    """Describe an `error` that does not end with the first fault of its `details`, if a body has both."""
    details = body.get("details") if isinstance(body, dict) else None
    if not isinstance(details, dict) or "fieldErrors" not in details:
        return None
    field = [(key, texts[0]) for key, texts in details["fieldErrors"].items()][:1]
    # The text of a fault inside a field begins with the rest of its path.
    faults = [f"{key}{sign}{text}" for key, text in field for sign in (": ", ".")]
    expected = [f"Validation failed: {fault}" for fault in (*faults, *details["formErrors"][:1])]
    return None if body["error"] in expected else f"error: {body['error']!r} is not one of {expected}"


def _undocumented(step: Step, answer: httpx.Response) -> str | None:
    """Describe how an exchange contradicts the document; the requests of `lenient` steps may violate it."""
    result = documents.contradiction(answer)
    if step.lenient is None:
        return result and f"undocumented: {result}"
    asked = result is not None and not result.startswith(documents.ANSWER)
    return None if asked else f"not lenient after all: {result}"


def _status(step: Step, status: int, body: Any) -> str | None:
    return None if status == step.status else f"status {status}, not {step.status}: {json.dumps(body)[:300]}"


def _headers(step: Step, kept: dict[str, Json]) -> dict[str, str]:
    headers = {} if step.key is None else dict(bearer(str(kept[f"key.{step.key}"])))
    if step.has_body or step.text is not None:
        headers["Content-Type"] = "application/json"
    lower = {name.lower() for name in step.headers}
    kept_headers = {name: value for name, value in headers.items() if name.lower() not in lower}
    return kept_headers | {name: str(fill(value, kept)) for name, value in step.headers.items()}
