"""Rejections that no schema announces: `tests/spec/outside/refusals.json` says which are right, and why.

A document says what is well formed. A generator of requests cannot know the rules that only its prose states
(a static list has no conditions). A row is one such rule: the message, the calls, and, if the request alone
shows it, a schema that the request has to fit, so that no other fault hides behind the message.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema

from support.paths import SPEC

ROWS: Final = SPEC / "outside" / "refusals.json"
_NOTHING: Final = object()


@dataclass(frozen=True)
class Row:
    """A rule: a rejection (400) with this message is right if the request fits `when`.

    `when` is a schema of `at` (the value at the path of the fault), `within` (its container), `path`,
    `query`, `body` and `written` (all its strings); `calls` are operation ids, none for all. For the few
    requests that are `accepted` although they are not well formed, `when` is a schema of `body` and `answer`.
    """

    name: str
    why: str
    message: str = ""
    calls: tuple[str, ...] = ()
    accepted: bool = False
    when: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.message, re.DOTALL)

    @cached_property
    def _fits(self) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator(self.when)

    def explains_rejection(self, call: str, message: str, sent: Mapping[str, Any]) -> bool:
        """Return whether the row explains the rejection of a request with a message."""
        reported = not self.accepted and self._pattern.fullmatch(message) is not None
        return reported and (not self.calls or call in self.calls) and self._fits.is_valid(sent)

    def explains_acceptance(self, sent: "GeneratedRequest", answer: Any) -> bool:
        """Return whether the row explains this response to a malformed request."""
        seen = {"body": sent.body, "answer": answer}
        return self.accepted and sent.call in self.calls and self._fits.is_valid(seen)


@dataclass(frozen=True)
class GeneratedRequest:
    """A generated request."""

    call: str
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any

    def views(self, where: str) -> Iterator[Mapping[str, Any]]:
        """Yield the request alone, and together with the value at the path of a fault."""
        parts = {"path": self.path, "query": self.query, "body": self.body}
        whole = parts | {"written": "\n".join(_texts(parts))}
        yield whole
        for part in (self.body, self.query):
            for at, within in _reached(part, where):
                yield whole | ({} if at is _NOTHING else {"at": at}) | {"within": within}


def _texts(value: Any) -> Iterator[str]:
    """Yield every string of a request."""
    if isinstance(value, str):
        yield value
    for part in value if isinstance(value, list) else ():
        yield from _texts(part)
    for key, part in value.items() if isinstance(value, Mapping) else ():
        yield str(key)
        yield from _texts(part)


def _reached(value: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """Yield the value at a path, and its container; keys may contain dots, so a path has several readings."""
    if isinstance(value, list) and where:
        first, _, rest = where.partition(".")
        if first.isdigit() and int(first) < len(value):
            yield from _below(value[int(first)], value, rest)
    if isinstance(value, dict) and where:
        for key, part in value.items():
            shown = str(key).replace("\x00", "\\u0000")
            if where == shown or where.startswith(f"{shown}."):
                yield from _below(part, value, where[len(shown) + 1 :])
        if "." not in where and where not in value:
            yield _NOTHING, value


def _below(value: Any, within: Any, rest: str) -> Iterator[tuple[Any, Any]]:
    if rest:
        yield from _reached(value, rest)
    else:
        yield value, within


def rows(path: Path = ROWS) -> tuple[Row, ...]:
    """Return the rows of the file."""
    return tuple(Row(**{**row, "calls": tuple(row.get("calls", ()))}) for row in json.loads(path.read_text()))


def faults_of(answer: Any) -> list[tuple[str, str]]:
    """Return the faults of an error body, each as its path and its message."""
    match answer:
        case {"error": {"message": str(message), **more}}:
            return [(str(more.get("path", "")), message)]
        case {"details": {"fieldErrors": dict(fields), "formErrors": list(form)}}:
            results = [(first, text) for first, texts in fields.items() for text in texts]
            return [*results, *(("", text) for text in form)]
        case {"error": str(text)}:
            return [("", item) for item in text.split("; ")]
    return []


def reason(sent: GeneratedRequest, answer: Any, rules: tuple[Row, ...]) -> list[str] | None:
    """Return the names of the rows that explain a rejection, or None if a fault has no row."""
    names = [_named(sent, where, text, rules) for where, text in faults_of(answer)]
    return None if not names or None in names else [name for name in names if name is not None]


def _named(sent: GeneratedRequest, where: str, text: str, rules: tuple[Row, ...]) -> str | None:
    for path, message in _split(where, text):
        for seen in sent.views(path):
            for row in rules:
                if row.explains_rejection(sent.call, message, seen):
                    return row.name
    return None


def _split(where: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the readings of a path and a message.

    There are several, because Misar writes the rest of the path before the message.
    """
    yield where, text
    for item in re.finditer(": ", text):
        rest = text[: item.start()]
        yield (f"{where}.{rest}" if where else rest), text[item.end() :]
