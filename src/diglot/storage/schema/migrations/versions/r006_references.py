"""Keep why a segment is invalid and which attribute keys are in use, and local instants as they were written.

A rule with an instant without an offset was stored as the instant that it was in the time zone of that day.
Its text is read again, so that it follows the time zone from now on.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from diglot.storage.sql.databases import exact_text

revision = "r006"
down_revision = "r005"
branch_labels = None
depends_on = None

# As in storage/contacts/attribute_keys.py.
_MAX_KEYS = 1_000
_CONTACTS_PER_READ = 5_000
_LOCAL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]{1,6})?")
_contacts = sa.table("contacts", *(sa.column(name) for name in ("workspace", "pk", "attributes")))
_keys = sa.table("attribute_keys", sa.column("workspace"), sa.column("key"))
_segments = sa.table(
    "segments", *(sa.column(name) for name in ("workspace", "segment", "original_text", "tree"))
)


def upgrade() -> None:
    """Add the column and the table, and fill the table."""
    op.add_column("segments", sa.Column("invalid", sa.Text(), nullable=True))
    op.create_table(
        "attribute_keys",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("key", exact_text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "key"),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    _collect_keys(connection)
    _localize_instants(connection)


def _collect_keys(connection: sa.Connection) -> None:
    known: dict[int, set[str]] = {}
    for workspace, attributes in _read_attributes(connection):
        keys = known.setdefault(workspace, set())
        new = json.loads(attributes).keys() - keys
        room = _MAX_KEYS - len(keys)
        for key in sorted(new)[:room]:
            connection.execute(sa.insert(_keys).values(workspace=workspace, key=key))
            keys.add(key)


def _read_attributes(connection: sa.Connection) -> Iterator[tuple[int, str]]:
    """Yield the workspace and the attributes of each contact."""
    c = _contacts.c
    place = sa.tuple_(c.workspace, c.pk)
    after = (0, 0)
    read = sa.select(c.workspace, c.pk, c.attributes).order_by(c.workspace, c.pk).limit(_CONTACTS_PER_READ)
    while rows := connection.execute(read.where(place > after)).all():
        after = (rows[-1][0], rows[-1][1])
        yield from ((workspace, attributes) for workspace, _, attributes in rows)


def _localize_instants(connection: sa.Connection) -> None:
    c = _segments.c
    mentions = c.tree.contains('"type":"instant"', autoescape=True)
    for row in connection.execute(sa.select(*c).where(mentions)).all():
        tree = json.loads(row.tree)
        for predicate, value in zip(_predicates(tree), _values(json.loads(row.original_text)), strict=False):
            _localize(predicate, value)
        stored = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
        this = sa.and_(c.workspace == row.workspace, c.segment == row.segment)
        connection.execute(sa.update(_segments).where(this).values(tree=stored))


def _predicates(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if node["type"] == "predicate":
        yield node
        return
    for item in [node["item"]] if node["type"] == "not" else node["items"]:
        yield from _predicates(item)


def _values(rule: dict[str, Any]) -> Iterator[Any]:
    """Yield the value of each rule as it was sent, in order."""
    if "rules" not in rule:
        yield rule.get("value")
        return
    for item in rule["rules"]:
        yield from _values(item)


def _localize(predicate: dict[str, Any], value: Any) -> None:
    operand = predicate["operand"]
    if operand is None:
        return
    is_list = operand["type"] == "values" and isinstance(value, list)
    for scalar, sent in zip(operand["values"], value, strict=True) if is_list else [(operand, value)]:
        match = _LOCAL.fullmatch(sent) if scalar["type"] == "instant" and isinstance(sent, str) else None
        if match is not None:
            day, minute, second, fraction = match.groups()
            fraction = (fraction or "").rstrip("0").rstrip(".")
            text = f"{day}T{minute}{second or ':00'}{fraction and fraction.ljust(7, '0')}"
            scalar.update(type="local", value=text)
