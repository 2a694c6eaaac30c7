"""Gives every tag that contacts bear already its row and its count, at the revision that makes the table.

Tables are described here as they were then, so that later ones change nothing of it.
"""

import json
import time
import unicodedata
from collections import Counter
from typing import Any, Final

from sqlalchemy import Connection, Integer, Text, bindparam, column, insert, select, table, update

from diglot.conditions.text import fold
from diglot.model.ids import new_id

_COLOR: Final = "#6366f1"
_SLICE: Final = 1_000
_workspaces = table("workspaces", column("workspace", Integer), column("next_tag", Integer))
_contacts = table("contacts", column("workspace", Integer), column("pk", Integer), column("tags", Text))
_tags = table(
    "tags",
    *(column(name) for name in ("workspace", "tag", "id", "name", "name_exact", "name_fold", "color")),
    *(column(name) for name in ("description", "contact_count", "created_at", "updated_at")),
)
_TAGGED: Final = (
    select(_contacts.c.pk, _contacts.c.tags)
    .where(_contacts.c.workspace == bindparam("workspace"), _contacts.c.pk > bindparam("after"))
    .where(_contacts.c.tags != "[]")
    .order_by(_contacts.c.pk)
    .limit(_SLICE)
)


def make(connection: Connection) -> None:
    """Make the rows of all workspaces."""
    now = time.time_ns() // 1_000
    for (workspace,) in connection.execute(select(_workspaces.c.workspace)).all():
        rows = _rows(connection, workspace, now)
        if rows:
            connection.execute(insert(_tags), rows)
            here = _workspaces.c.workspace == workspace
            connection.execute(update(_workspaces).where(here).values(next_tag=len(rows) + 1))


def _rows(connection: Connection, workspace: int, now: int) -> list[dict[str, Any]]:
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    after = 0
    while found := connection.execute(_TAGGED, {"workspace": workspace, "after": after}).all():
        for _, encoded in found:
            for name in json.loads(encoded):
                exact = unicodedata.normalize("NFC", name)
                names.setdefault(exact, name)
                counts[exact] += 1
        after = found[-1][0]
    return [
        {
            "workspace": workspace,
            "tag": number,
            "id": new_id(),
            "name": name,
            "name_exact": exact,
            "name_fold": fold(name),
            "color": _COLOR,
            "description": None,
            "contact_count": counts[exact],
            "created_at": now,
            "updated_at": now,
        }
        for number, (exact, name) in enumerate(names.items(), 1)
    ]
