"""Store addresses with their domains as A-labels, in contacts and in the operands of conditions.

The address as it was stored is kept as the one that was sent. An address that another contact of its
workspace has in the new form stays as it is, so both contacts stay; `diglot check` lists them. So do the
operands that name it, because in the new form they would match the other contact.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from diglot.conditions.addresses import normalize_address

revision = "r005"
down_revision = "r004"
branch_labels = None
depends_on = None

# Read in the order of a unique key, which on both databases needs no other page of the table.
_SLICE = 10_000
_contacts = sa.table("contacts", *(sa.column(name) for name in ("workspace", "email", "as_sent")))
_segments = sa.table("segments", *(sa.column(name) for name in ("workspace", "segment", "tree")))
_c, _s = _contacts.c, _segments.c


def upgrade() -> None:
    """Rewrite the addresses whose compared form is another now."""
    connection = op.get_bind()
    kept: set[tuple[int, str]] = set()
    for workspace, email in _iterate_addresses(connection):
        normalized = normalize_address(email)
        if normalized != email and not _rewrite_contact(connection, workspace, email, normalized):
            kept.add((workspace, email))
    rows = connection.execute(sa.select(_s.workspace, _s.segment, _s.tree)).all()
    for workspace, segment, stored in rows:
        twins = {email for number, email in kept if number == workspace}
        if not stored.isascii() and _rewrite_operands(tree := json.loads(stored), twins):
            text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
            row = (_s.workspace == workspace) & (_s.segment == segment)
            connection.execute(sa.update(_segments).where(row).values(tree=text))


def _iterate_addresses(connection: sa.Connection) -> Iterator[tuple[int, str]]:
    """Yield the addresses that are not plain ASCII, with their workspaces."""
    after = ("", 0)
    key = sa.tuple_(_c.email, _c.workspace)
    page = sa.select(_c.email, _c.workspace).order_by(_c.email, _c.workspace).limit(_SLICE)
    while rows := connection.execute(page.where(key > after)).all():
        yield from ((workspace, email) for email, workspace in rows if not email.isascii())
        after = (rows[-1].email, rows[-1].workspace)


def _rewrite_contact(connection: sa.Connection, workspace: int, email: str, normalized: str) -> bool:
    """Rewrite an address; tell whether no other contact has the new form."""
    here = _c.workspace == workspace
    if connection.execute(sa.select(_c.email).where(here, _c.email == normalized)).first() is not None:
        return False
    as_sent = connection.execute(sa.select(_c.as_sent).where(here, _c.email == email)).scalar_one()
    sent = json.dumps({"email_as_sent": email, **json.loads(as_sent or "{}")}, ensure_ascii=False)
    change = sa.update(_contacts).where(here, _c.email == email)
    connection.execute(change.values(email=normalized, as_sent=sent))
    return True


def _rewrite_operands(node: dict[str, Any], twins: set[str]) -> bool:
    """Rewrite the operands that are compared with whole addresses; tell whether any of them changed.

    `twins` are addresses that contacts keep.
    """
    if node["type"] != "predicate":
        items = [node["item"]] if node["type"] == "not" else node["items"]
        changed = [_rewrite_operands(item, twins) for item in items]
        return any(changed)
    if node["field"] != "email" or node["op"] not in {"equals", "in"}:
        return False
    operand = node["operand"]
    scalars = operand["values"] if operand["type"] == "values" else [operand]
    before = [scalar["value"] for scalar in scalars]
    for scalar in scalars:
        if scalar["value"] not in twins:
            scalar["value"] = normalize_address(scalar["value"])
    return before != [scalar["value"] for scalar in scalars]
