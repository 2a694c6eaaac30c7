"""Writes the examples of the OpenAPI documents from the stories: `python -m tools.openapi_examples`.

A step that is marked as an example is one of its call. Random values are replaced: the first id of an example
by the first stand-in, the second by the second, and so on.
"""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from diglot.api.openapi.examples import EXAMPLES_FILE, CallExample, Examples, load_examples
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.model.ids import format_prefixed_id, parse_id
from support.engines import SQLITE
from support.openapi import documents
from support.openapi.exchanges import load_stories
from support.openapi.http_examples import StepResult, run_story_alone

BODIES = (documents.JSON, "text/csv")
RANDOM = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|seg_[0-7][0-9a-hjkmnp-tv-z]{25}"
    r"|evt_[0-9a-f]{32}|(?P<mark>msk_|tm_live_|whsec_)(?P<secret>[0-9A-Za-z_-]{8,})|^[0-9a-f]{64}$"
)


def examples_of(results: Iterable[StepResult]) -> dict[str, Examples]:
    """Return the examples of the results of a story, by dialect and operation."""
    result: dict[str, Examples] = defaultdict(lambda: defaultdict(list))
    for item in results:
        if item.step.example:
            request = item.answer.request
            call = documents.call_of(request.method, urlsplit(str(request.url)).path)
            assert call is not None
            result[call.dialect.name][call.operation["operationId"]].append(_example(item, call))
    return result


def differences(results: list[StepResult]) -> list[str]:
    """Return the marked steps that differ from the examples of the documents."""
    return [
        f"{example.told}: not the example of {id_}"
        for dialect, examples in examples_of(results).items()
        for id_, every in examples.items()
        for example in every
        if example not in load_examples(get_dialect(dialect)).get(id_, [])
    ]


def _example(result: StepResult, call: documents.Call) -> CallExample:
    request = result.answer.request
    document = documents.document_of(call.dialect.name)
    media = request.headers.get("content-type", "").partition(";")[0]
    parts: dict[str, Any] = {"parameters": _parameters(result, call)}
    if media in BODIES and "requestBody" in call.operation:
        text = request.content.decode()
        body = call.operation["requestBody"]["content"][media]["schema"]
        sent = json.loads(text) if media == documents.JSON else text
        parts |= {"media_type": media, "body": documents.without_legacy(document, body, sent)}
    documented = call.answer(result.answer.status_code)
    assert documented is not None
    headers = result.answer.headers
    answered = documented["content"][documents.media_type(headers)]["schema"]
    sent_back = documents.read_body(headers, result.answer.content)
    parts["answer"] = documents.without_legacy(document, answered, sent_back)
    return msgspec.convert({"told": result.step.name} | _StandIns().of(parts), CallExample)


def _parameters(result: StepResult, call: documents.Call) -> dict[str, Any]:
    url = urlsplit(str(result.answer.request.url))
    inner = "/" + url.path.removeprefix(call.dialect.base_path).lstrip("/")
    named = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", call.path), inner)
    assert named is not None
    known = call.parameters("query")
    asked = {
        name: call.typed(known[name], value) for name, value in parse_qsl(url.query, keep_blank_values=True)
    }
    return named.groupdict() | asked


class _StandIns:
    """Stand-ins for random strings, the same one for the same string."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, str):
            return RANDOM.sub(self._instead, value)
        if isinstance(value, list):
            return [self.of(each) for each in value]
        if isinstance(value, dict):
            return {key: self.of(each) for key, each in value.items()}
        return value

    def _instead(self, match: re.Match[str]) -> str:
        text = match[0]
        if match["mark"]:
            return match["mark"] + "0" * len(match["secret"])
        if len(text) == 64:
            return "0" * 64
        hexadecimal = text.removeprefix("evt_")
        id_ = parse_id(text) or hexadecimal
        count = len(self._ids)
        created = self._ids.setdefault(id_, f"019ca3f1-d000-7{count:03x}-8a00-5eed00{count:06x}")
        if hexadecimal != text:
            return "evt_" + created.replace("-", "")
        return created if match["uuid"] else format_prefixed_id(created)


async def _run_all() -> list[StepResult]:
    every: list[StepResult] = []
    for story in load_stories():
        async with SQLITE.fresh() as url:
            every += await run_story_alone(story, url)
    return every


def write() -> None:
    """Run all stories and write the examples of every dialect."""
    result = examples_of(asyncio.run(_run_all()))
    for dialect in DIALECTS:
        ids = [one.id for _, one in dialect.operations]
        examples = {id_: result[dialect.name][id_] for id_ in ids if id_ in result[dialect.name]}
        text = msgspec.json.format(msgspec.json.encode(examples), indent=2) + b"\n"
        Path(str(files(dialect.package))).joinpath(EXAMPLES_FILE).write_bytes(text)


if __name__ == "__main__":
    write()
