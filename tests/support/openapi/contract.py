"""Compares the OpenAPI documents with those that clients were generated from: `openapi/baseline`.

A change that breaks a client must be declared in `openapi/baseline/breaks.json` with its reason; otherwise it
is a fault. At a release the documents become the baseline, and the declarations are deleted.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from support.paths import ROOT, SPEC

FILES = ROOT / "openapi"
BASELINE = FILES / "baseline"
SAID = BASELINE / "breaks.json"
RULES = BASELINE / "redocly.yaml"
_PLACE = re.compile(r"\{\w+\}")
ROWS = SPEC / "contract"


@dataclass(frozen=True, order=True)
class Break:
    """A change that breaks a client: the rule that found it, and its place in a document."""

    document: str
    rule: str
    at: str
    message: str


def tool() -> str:
    """Return the package of the comparison tool, in the version that `.ci/run` pins."""
    match = re.search(r"^redocly=(\S+)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    assert match is not None
    return match[1]


def breaks(name: str, before: Path, after: Path) -> list[Break]:
    """Return the breaks between two versions of a document, each fault of a shared part once."""
    command = ["npx", "--yes", tool(), "diff", str(before), str(after), f"--config={RULES}"]
    done = subprocess.run(
        [*command, "--format=json", "--fail-on=none"],
        env=os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_NOTIFICATIONS": "true"},
        capture_output=True,
        check=True,
        text=True,
    )
    changes = json.loads(done.stdout)["changes"]
    results = {found for change in changes for found in _of_change(name, change)}
    known = {(item.rule, item.at) for item in results}
    sides = (json.loads(side.read_text("utf-8")) for side in (before, after))
    return sorted(results | {item for item in _of_names(name, *sides) if (item.rule, item.at) not in known})


def _of_change(name: str, change: Mapping[str, Any]) -> Iterator[Break]:
    for verdict in change["verdicts"]:
        if verdict["impact"] == "major":
            yield Break(name, verdict["ruleId"], verdict["location"]["pointer"], verdict["message"])


def _of_names(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Break]:
    """Yield names in generated clients that are gone from a document, because the tool ignores many.

    The tool does not report a property that an open schema loses, because any property may still be sent.
    """
    schemas = after["components"]["schemas"]
    for schema, told in before["components"]["schemas"].items():
        at = f"#/components/schemas/{schema}"
        if schema not in schemas:
            yield Break(name, "schema-removed", at, f"Schema {schema} is gone")
            continue
        for field in set(told.get("properties", ())) - set(schemas[schema].get("properties", ())):
            yield Break(name, "property-removed", f"{at}/properties/{field}", f"Field {field} is gone")
    calls = _calls(after)
    for id_, (path, method, call) in _calls(before).items():
        at = f"#/paths/{path.replace('/', '~1')}"
        now, _, other = calls.get(id_, (path, method, call))
        if other.get("tags") != call.get("tags"):
            yield Break(name, "operation-tags-changed", f"{at}/{method}/tags", f"{id_} is in another group")
        if now != path and _PLACE.sub("{}", now) == _PLACE.sub("{}", path):
            yield Break(name, "path-parameter-renamed", at, f"{path} is {now}")


def _calls(document: Mapping[str, Any]) -> dict[str, tuple[str, str, Mapping[str, Any]]]:
    """Return the operations of a document by id, each with its path and its method."""
    return {
        call["operationId"]: (path, method, call)
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    }


def declared() -> list[dict[str, str]]:
    """Return the declared breaks: `document`, `rule`, `at` (`*` stands for anything) and `why`."""
    rows: list[dict[str, str]] = json.loads(SAID.read_text("utf-8"))
    assert all(set(row) == {"document", "rule", "at", "why"} and row["why"].strip() for row in rows)
    return rows


def mismatches(breaks_: Sequence[Break], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the breaks without a declaration, and the declarations without a break."""
    missing = [
        f"{item.document}: {item.rule} at {item.at}: {item.message}"
        for item in breaks_
        if not any(_names(row, item) for row in rows)
    ]
    idle = [
        f"nothing breaks as said: {row}" for row in rows if not any(_names(row, item) for item in breaks_)
    ]
    return missing + idle


def _names(row: Mapping[str, str], break_: Break) -> bool:
    same = (row["document"], row["rule"]) == (break_.document, break_.rule)
    return same and fnmatchcase(break_.at, row["at"])


def rows(file: str) -> list[dict[str, Any]]:
    """Return the changes of a file of `tests/spec/contract`."""
    result: list[dict[str, Any]] = json.loads((ROWS / f"{file}.json").read_text("utf-8"))
    return result


def found_in(changes: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Apply changes to one document side by side, compare it, and return the broken rules of each."""
    with tempfile.TemporaryDirectory(prefix="diglot-") as folder:
        sides = [Path(folder) / f"{side}.json" for side in ("before", "after")]
        for side in sides:
            side.write_text(json.dumps(_document(changes, side.stem)))
        result = breaks("rows", *sides)
    return {
        row["name"]: {item.rule for item in result if re.search(f"/(~1)?row-{number}(/|~1|$)", item.at)}
        for number, row in enumerate(changes)
    }


def _document(changes: Sequence[Mapping[str, Any]], side: str) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for number, row in enumerate(changes):
        operation = _operation(row, row[side], f"row-{number}", schemas)
        if operation is not None:
            answers = {"200": {"description": "Success."}}
            whole = {"operationId": f"row{number}", "responses": answers} | operation
            paths[f"/row-{number}{row.get('below', {}).get(side, '')}"] = {"post": whole}
    scheme = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rows", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"bearer": scheme, "session": scheme}},
    }


def _operation(
    row: Mapping[str, Any], part: Any, name: str, schemas: dict[str, Any]
) -> dict[str, Any] | None:
    where = row["where"]
    if where == "operation" and part is None:
        return None
    if where in ("answer", "body") and part is None:
        return {}
    if where in ("answer", "body"):
        schemas[name] = part
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    created: dict[str, Any] = {
        "answer": {"responses": {"200": {"description": "Success.", "content": content}}},
        "body": {"requestBody": {"content": content}},
        "parameter": {"parameters": [part]},
        "headers": {"responses": {"200": {"description": "Success.", "headers": part}}},
        "operation": part,
    }
    result: dict[str, Any] = created[where]
    return result
