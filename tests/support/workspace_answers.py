"""What all calls that read a workspace answer, so that two workspaces can be compared."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from diglot.api.openapi.operations import PATH_PARAMETER
from diglot.api.operation import Operation
from diglot.dialects.registry import DIALECTS
from support.servers.in_process import Server, bearer

# Calls about keys, which differ on purpose.
_OF_KEYS = ("listKeys", "getKey")
# Calls that need a parameter.
_QUERIES = {"explainSegment": ("contact=ada@example.com", "contact=bob@example.com")}
# Calls that name segments; each is asked with all of them.
_NAMES_SEGMENTS = ("compareSegments",)
_PAGES = ("limit=100",)
_LISTS = {
    "segment_id": ("/mail/v1/segments", "id"),
    "contact_id": ("/mail/v1/contacts", "id"),
    "list_id": ("/api/v1/lists", "id"),
    "tag_id": ("/api/v1/tags", "id"),
    "event_id": ("/mail/v1/events", "id"),
    "webhook_id": ("/mail/v1/webhooks", "id"),
}


@dataclass
class Answers:
    """Reads a workspace of a server; `entries` are changes as of which members are listed."""

    server: Server
    workspace: str
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)

    async def read_all(self, entries: range) -> dict[str, Any]:
        """Return the answer to each call, by its path and query."""
        for dialect in DIALECTS:
            scopes = tuple(dialect.key_format.scopes)
            self.keys[dialect.name] = await self.server.key(dialect.name, self.workspace, scopes)
        for name, (path, member) in _LISTS.items():
            self.ids[name] = list(_find(await self._get(path, "limit=100"), member))
            assert self.ids[name], name
        return {
            f"{path}?{query}": await self._get(path, query)
            for dialect in DIALECTS
            for surface, operation in dialect.operations
            if operation.method == "GET" and operation.id not in _OF_KEYS
            for path in self._paths(surface.prefix + operation.path)
            for query in self._queries(operation, entries)
        }

    def _queries(self, operation: Operation, entries: range) -> Iterator[str]:
        if operation.id in _NAMES_SEGMENTS:
            yield f"segments={','.join(self.ids['segment_id'][:20])}"
            return
        yield from _queries(operation, entries)

    def _paths(self, template: str) -> list[str]:
        paths = [template]
        for name in PATH_PARAMETER.findall(template):
            # An archive has no imports, so nothing has their ids.
            paths = [path.replace(f"{{{name}:str}}", id_) for path in paths for id_ in self.ids.get(name, ())]
        return paths

    async def _get(self, path: str, query: str) -> Any:
        dialect = next(each for each in DIALECTS if any(one.contains(path) for one in each.surfaces))
        answer = await self.server.client.get(f"{path}?{query}", headers=bearer(self.keys[dialect.name]))
        assert answer.status_code in (200, 400, 404), f"{path}?{query}: {answer.text}"
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json() if is_json else answer.text


def _queries(operation: Operation, entries: range) -> Iterator[str]:
    yield from _QUERIES.get(operation.id, _PAGES)
    if operation.query is not None and "as_of" in operation.query.__struct_fields__:
        yield from (f"limit=100&as_of={entry}" for entry in entries)


def _find(answer: Any, member: str) -> Iterator[str]:
    """Yield the ids of the objects in the first list of an answer."""
    lists = [answer[1]]
    while lists:
        value = lists.pop(0)
        if isinstance(value, list):
            yield from (item[member] for item in value if member in item)
            return
        if isinstance(value, dict):
            lists += value.values()
