"""Compares the OpenAPI documents with those that clients were made from: `openapi/baseline`.

What breaks a client has to be named in `openapi/baseline/breaks.json`, with the reason, or it is a fault. At
a release the documents become the baseline, and nothing is broken any more.
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

ROOT = Path(__file__).parent.parent
FILES = ROOT / "openapi"
BASELINE = FILES / "baseline"
SAID = BASELINE / "breaks.json"
RULES = BASELINE / "redocly.yaml"
ROWS = Path(__file__).parent / "spec" / "contract"


@dataclass(frozen=True, order=True)
class Break:
    """A change that breaks a client: the rule that found it, and where in which document it is."""

    document: str
    rule: str
    at: str
    message: str


def tool() -> str:
    """Return the package of the comparing tool, in the version that `.ci/run` pins."""
    found = re.search(r"^redocly=(\S+)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def breaks(name: str, before: Path, after: Path) -> list[Break]:
    """Return what breaks the clients of a document that became another, each fault of a shared part once."""
    command = ["npx", "--yes", tool(), "diff", str(before), str(after), f"--config={RULES}"]
    done = subprocess.run(
        [*command, "--format=json", "--fail-on=none"],
        env=os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_NOTIFICATIONS": "true"},
        capture_output=True,
        check=True,
        text=True,
    )
    changes = json.loads(done.stdout)["changes"]
    return sorted({found for change in changes for found in _of_change(name, change)})


def _of_change(name: str, change: Mapping[str, Any]) -> Iterator[Break]:
    for verdict in change["verdicts"]:
        if verdict["impact"] == "major":
            yield Break(name, verdict["ruleId"], verdict["location"]["pointer"], verdict["message"])


def said() -> list[dict[str, str]]:
    """Return the breaks that are meant: `document`, `rule`, `at` (`*` stands for anything) and `why`."""
    rows: list[dict[str, str]] = json.loads(SAID.read_text("utf-8"))
    assert all(set(row) == {"document", "rule", "at", "why"} and row["why"].strip() for row in rows)
    return rows


def unsaid(found: Sequence[Break], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the breaks that no row names, and the rows that name none."""
    missing = [
        f"{one.document}: {one.rule} at {one.at}: {one.message}"
        for one in found
        if not any(_names(row, one) for row in rows)
    ]
    idle = [f"nothing breaks as said: {row}" for row in rows if not any(_names(row, one) for one in found)]
    return missing + idle


def _names(row: Mapping[str, str], one: Break) -> bool:
    same = (row["document"], row["rule"]) == (one.document, one.rule)
    return same and fnmatchcase(one.at, row["at"])


def rows(file: str) -> list[dict[str, Any]]:
    """Return the changes of a file of `tests/spec/contract`."""
    found: list[dict[str, Any]] = json.loads((ROWS / f"{file}.json").read_text("utf-8"))
    return found


def found_in(changes: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Lay changes side by side into one document, compare it, and return the rules that each one breaks."""
    with tempfile.TemporaryDirectory(prefix="diglot-") as folder:
        sides = [Path(folder) / f"{side}.json" for side in ("before", "after")]
        for side in sides:
            side.write_text(json.dumps(_document(changes, side.stem)))
        found = breaks("rows", *sides)
    return {
        row["name"]: {one.rule for one in found if re.search(f"/(~1)?row-{number}(/|$)", one.at)}
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
            paths[f"/row-{number}"] = {"post": whole}
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
    if where in ("answer", "body"):
        schemas[name] = part
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    made: dict[str, Any] = {
        "answer": {"responses": {"200": {"description": "Success.", "content": content}}},
        "body": {"requestBody": {"content": content}},
        "parameter": {"parameters": [part]},
        "headers": {"responses": {"200": {"description": "Success.", "headers": part}}},
        "operation": part,
    }
    found: dict[str, Any] = made[where]
    return found
