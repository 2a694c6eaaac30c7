"""Builds SQL in the shape of listmonk's and Mautic's queries, over the tables of peers.py.

Only the shapes come from these systems. listmonk counts subscribers joined to their lists, under a WHERE that
a person types; Mautic puts filters on leads, negations with `OR ... IS NULL`, tags as EXISTS on the cross
table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from diglot.conditions import tree
from diglot.conditions.tree import Op

_COMPARE = {
    Op.GT: ">",
    Op.AFTER: ">",
    Op.GTE: ">=",
    Op.LT: "<",
    Op.BEFORE: "<",
    Op.LTE: "<=",
    Op.EQUALS: "=",
}
_PARTS = {Op.CONTAINS: "%{}%", Op.STARTS_WITH: "{}%", Op.ENDS_WITH: "%{}"}
_LISTS = ("tags", "attributes.langs")
# Other fields that may be empty do not hold text.
_TEXTS = ("first_name", "company")


@dataclass(frozen=True)
class Peer:
    """The SQL of a system: its columns, its test for an element of a list, its count and its page."""

    name: str
    fields: Mapping[str, str]
    element: Callable[[str, Sequence[str]], str]
    counting: str
    paging: str

    def count(self, node: tree.Node) -> str:
        """Return the count of a condition."""
        return self.counting.format(self._where(node))

    def page(self, node: tree.Node) -> str:
        """Return the first page of a hundred."""
        return self.paging.format(self._where(node))

    def _where(self, node: tree.Node) -> str:
        if isinstance(node, tree.Not):
            return self._negative(node.item)
        if isinstance(node, tree.Predicate):
            return self._predicate(node)
        word = " AND " if isinstance(node, tree.All) else " OR "
        return f"({word.join(self._where(item) for item in node.items)})"

    def _negative(self, node: tree.Node) -> str:
        assert isinstance(node, tree.Predicate), "no segment of the benchmark negates a group"
        place = self.fields[node.field]
        if node.op is Op.IS_SET:
            return f"({place} IS NULL OR {place} = '')" if node.field in _TEXTS else f"{place} IS NULL"
        if node.field in _LISTS:
            return f"NOT {self._predicate(node)}"
        return f"(NOT {self._predicate(node)} OR {place} IS NULL)"

    def _predicate(self, node: tree.Predicate) -> str:
        place, values = self.fields[node.field], _values(node.operand)
        if node.field in _LISTS:
            return self.element(place, values)
        if node.op is Op.IS_SET:
            return f"({place} IS NOT NULL AND {place} <> '')"
        if node.op is Op.IN:
            return f"{place} IN ({', '.join(map(_literal, values))})"
        (value,) = values
        if node.op in _PARTS:
            return f"{place} ILIKE {_literal(_PARTS[node.op].format(value))}"
        return f"{place} {_COMPARE[node.op]} {_literal(value)}"


def _values(operand: tree.Operand) -> list[str]:
    if operand is None:
        return []
    if isinstance(operand, tree.Values):
        return [str(item.value) for item in operand.values]
    if isinstance(operand, tree.Day):
        return [f"{operand.value} 00:00:00+00"]
    return [str(operand.value)]


def _literal(value: str) -> str:
    """Return a quoted literal; PostgreSQL gives it the type of the value that it is compared with."""
    return f"'{value}'"


def _in_json(place: str, values: Sequence[str]) -> str:
    return f"{place} ?| ARRAY[{', '.join(map(_literal, values))}]"


def _in_rows(place: str, values: Sequence[str]) -> str:
    if place != "tags":
        return f"{place} ~ '(^|\\|)({'|'.join(values)})(\\||$)'"
    named = f"SELECT id FROM mautic.lead_tags WHERE tag IN ({', '.join(map(_literal, values))})"
    return f"EXISTS (SELECT 1 FROM mautic.lead_tags_xref x WHERE x.lead_id = l.id AND x.tag_id IN ({named}))"


def _attribs(*names: str, prefix: str = "", kind: str = "") -> dict[str, str]:
    cast = f"::{kind}" if kind else ""
    return {f"{prefix}{name}": f"(s.attribs->>'{name}'){cast}" for name in names}


_OUR_TEXTS = ("first_name", "last_name", "company", "source", "last_opened_at")
_OUR_NUMBERS = ("engagement_score", "total_opens", "total_clicks", "total_orders", "total_spent")
_TEXT_ATTRIBUTES = ("country", "city", "plan", "note")
_CUSTOM = "attributes."
# The query names a list or none: none here, as for all contacts.
_SUBSCRIBERS = """FROM listmonk.subscribers s
    LEFT JOIN listmonk.subscriber_lists sl
        ON cardinality('{{}}'::integer[]) > 0 AND sl.subscriber_id = s.id
    WHERE (cardinality('{{}}'::integer[]) = 0 OR sl.list_id = ANY('{{}}'::integer[])) AND {}"""

LISTMONK = Peer(
    "listmonk",
    {
        **{name: f"s.{name}" for name in ("email", "status", "created_at")},
        **_attribs(*_OUR_TEXTS),
        **_attribs(*_OUR_NUMBERS, kind="float8"),
        **_attribs(*_TEXT_ATTRIBUTES, prefix=_CUSTOM),
        **_attribs("ltv", "seats", prefix=_CUSTOM, kind="float8"),
        **_attribs("is_vip", prefix=_CUSTOM, kind="boolean"),
        **_attribs("renews_on", prefix=_CUSTOM, kind="date"),
        "tags": "s.attribs->'tags'",
        "attributes.langs": "s.attribs->'langs'",
    },
    _in_json,
    f"SELECT count(*) AS total {_SUBSCRIBERS}",
    f"SELECT s.* {_SUBSCRIBERS} ORDER BY s.created_at DESC OFFSET 0 LIMIT 100",
)

_OWN_NAMES = {
    "first_name": "firstname",
    "last_name": "lastname",
    "engagement_score": "points",
    "created_at": "date_added",
    "last_opened_at": "last_active",
}
_PLAIN = ("email", "status", *_OUR_TEXTS, *_OUR_NUMBERS, "created_at")
_COLUMNS = (*_TEXT_ATTRIBUTES, "ltv", "seats", "is_vip", "renews_on", "langs")

MAUTIC = Peer(
    "Mautic",
    {
        **{name: f"l.{_OWN_NAMES.get(name, name)}" for name in _PLAIN},
        **{f"{_CUSTOM}{name}": f"l.{name}" for name in _COLUMNS},
        "tags": "tags",
    },
    _in_rows,
    "SELECT count(1) FROM mautic.leads l WHERE {}",
    "SELECT l.* FROM mautic.leads l WHERE {} ORDER BY l.id DESC LIMIT 100 OFFSET 0",
)
