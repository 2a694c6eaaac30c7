"""Thirty realistic conditions, each with hand-written SQL for the same tables.

The SQL uses everything that Diglot uses (the token documents, the pinned index) and contains its values; it
is constant text that the driver executes. `{pin}`, `{at}` and `{num}` are the parts that differ between the
databases.
"""

import struct
from dataclasses import dataclass

from bench.data import DAY, NOW

OPEN, CLOSE, SCALAR, ELEMENT, SET = "\x1f", "\x1e", "\x1d", "\x1c", "\x1b"


def _key(value: float) -> str:
    bits = struct.unpack(">q", struct.pack(">d", value))[0]
    return f"{bits + 2**63 if bits >= 0 else ~bits & (2**63 - 1):016x}"


def eq(key: str, value: str) -> str:
    """Return SQL that compares a custom attribute with a string."""
    return f"{{at}}(attributes_exact, '{OPEN}{key}{CLOSE}{value}{CLOSE}') > 0"


def num(key: str, op: str, value: float) -> str:
    """Return SQL that compares a custom attribute with a number."""
    mark = f"{SCALAR}{OPEN}{key}{CLOSE}"
    sqlite = f"substr(attributes_number, instr(attributes_number, '{mark}') + {len(mark) + 1}, 16)"
    postgresql = f"substr(split_part(attributes_number, '{mark}', 2), 2, 16)"
    has = f"{{at}}(attributes_number, '{mark}') > 0"
    return f"({has} AND {{num:{sqlite}|{postgresql}}} {op} '{_key(value)}')"


def ago(days: int) -> int:
    """Return the instant a number of days before now."""
    return NOW - days * DAY


@dataclass(frozen=True)
class HandWritten:
    """A condition in Misar's words with its hand-written WHERE clause."""

    name: str
    wire: str
    where: str

    def sql(self, backend: str) -> str:
        """Return the hand-written count for a database."""
        sqlite = backend == "sqlite"
        where = self.where.replace("{at}", "instr" if sqlite else "strpos")
        while "{num:" in where:
            before, _, rest = where.partition("{num:")
            choice, _, after = rest.partition("}")
            where = before + choice.split("|")[0 if sqlite else 1] + after
        pin = "INDEXED BY sqlite_autoindex_contacts_1" if sqlite else ""
        place = "?" if sqlite else "$1"
        return f"SELECT count(*) FROM contacts {pin} WHERE workspace = {place} AND ({where})"


def _rule(field: str, operator: str, value: str | None = None) -> str:
    shown = "" if value is None else f',"value":{value}'
    return f'{{"field":"{field}","operator":"{operator}"{shown}}}'


def _and(*rules: str) -> str:
    return f'{{"operator":"AND","rules":[{",".join(rules)}]}}'


def _or(*rules: str) -> str:
    return f'{{"operator":"OR","rules":[{",".join(rules)}]}}'


SUBSCRIBED = _rule("status", "equals", '"subscribed"')
IS_SUBSCRIBED = "status = 'subscribed'"
TAG = f"{{at}}(tags_exact, '{OPEN}tag-7{CLOSE}') > 0"
TAG_OR = f"({TAG} OR {{at}}(tags_exact, '{OPEN}tag-8{CLOSE}') > 0)"

CONDITIONS = (
    HandWritten("subscribed", _and(SUBSCRIBED), IS_SUBSCRIBED),
    HandWritten(
        "not subscribed", _and(_rule("status", "not_equals", '"subscribed"')), "status <> 'subscribed'"
    ),
    HandWritten("score >= 50", _and(_rule("engagement_score", "gte", "50")), "engagement_score >= 50"),
    HandWritten(
        "engaged",
        _and(SUBSCRIBED, _rule("engagement_score", "gte", "50")),
        f"{IS_SUBSCRIBED} AND engagement_score >= 50",
    ),
    HandWritten(
        "opened in 30 days",
        _and(_rule("last_opened_at", "in_last_days", "30")),
        f"last_opened_at >= {ago(30)} AND last_opened_at <= {NOW}",
    ),
    HandWritten(
        "not opened for 180 days",
        _and(_rule("last_opened_at", "more_than_days_ago", "180")),
        f"last_opened_at < {ago(180)}",
    ),
    HandWritten("never opened", _and(_rule("last_opened_at", "is_empty")), "last_opened_at IS NULL"),
    HandWritten("tag", _and(_rule("tags", "contains", '"tag-7"')), TAG),
    HandWritten("one of two tags", _and(_rule("tags", "in", '["tag-7","tag-8"]')), TAG_OR),
    HandWritten("without a tag", _and(_rule("tags", "not_contains", '"tag-7"')), f"NOT ({TAG})"),
    HandWritten("plan is pro", _and(_rule("plan", "equals", '"pro"')), eq("plan", "pro")),
    HandWritten(
        "plan is not free", _and(_rule("plan", "not_equals", '"free"')), f"NOT ({eq('plan', 'free')})"
    ),
    HandWritten(
        "plan is pro or enterprise",
        _and(_rule("plan", "in", '["pro","enterprise"]')),
        f"({eq('plan', 'pro')} OR {eq('plan', 'enterprise')})",
    ),
    HandWritten("seats > 50", _and(_rule("seats", "greater_than", "50")), num("seats", ">", 50)),
    HandWritten(
        "ltv between",
        _and(_rule("ltv", "gte", "1000"), _rule("ltv", "lte", "2000")),
        f"{num('ltv', '>=', 1000)} AND {num('ltv', '<=', 2000)}",
    ),
    HandWritten("vip", _and(_rule("is_vip", "equals", "true")), eq("is_vip", "true")),
    HandWritten(
        "vip and subscribed",
        _and(SUBSCRIBED, _rule("is_vip", "equals", "true")),
        f"{IS_SUBSCRIBED} AND {eq('is_vip', 'true')}",
    ),
    HandWritten("country", _and(_rule("country", "equals", '"Germany"')), eq("country", "Germany")),
    HandWritten(
        "country and plan",
        _and(_rule("country", "equals", '"Germany"'), _rule("plan", "equals", '"pro"')),
        f"{eq('country', 'Germany')} AND {eq('plan', 'pro')}",
    ),
    HandWritten(
        "city starts with",
        _and(_rule("city", "starts_with", '"san"')),
        f"{{at}}(attributes_fold, '{OPEN}city{CLOSE}san') > 0",
    ),
    HandWritten("first name", _and(_rule("first_name", "equals", '"Ada"')), "first_name = 'Ada'"),
    HandWritten(
        "first name contains",
        _and(_rule("first_name", "contains", '"DM"')),
        "{at}(first_name_fold, 'dm') > 0",
    ),
    HandWritten(
        "email ends with",
        _and(_rule("email", "ends_with", '".de"')),
        "{num:substr(email_fold, -3)|right(email_fold, 3)} = '.de'",
    ),
    HandWritten(
        "email contains", _and(_rule("email", "contains", '"@corp"')), "{at}(email_fold, '@corp') > 0"
    ),
    HandWritten("no company", _and(_rule("company", "is_empty")), "(trim(company) <> '') IS NOT TRUE"),
    HandWritten("spent", _and(_rule("total_spent", "greater_than", "500")), "total_spent > 500"),
    HandWritten(
        "bought and opened",
        _and(_rule("total_orders", "gte", "10"), _rule("last_opened_at", "in_last_days", "30")),
        f"total_orders >= 10 AND last_opened_at >= {ago(30)} AND last_opened_at <= {NOW}",
    ),
    HandWritten(
        "created before", _and(_rule("created_at", "before", '"2026-01-01"')), "created_at < 1767225600000000"
    ),
    HandWritten(
        "either",
        _or(_rule("plan", "equals", '"enterprise"'), _rule("total_spent", "gte", "900")),
        f"{eq('plan', 'enterprise')} OR total_spent >= 900",
    ),
    HandWritten(
        "nested",
        _and(
            SUBSCRIBED,
            _or(
                _rule("is_vip", "equals", "true"),
                _and(_rule("plan", "equals", '"pro"'), _rule("engagement_score", "greater_than", "80")),
            ),
        ),
        f"{IS_SUBSCRIBED} AND ({eq('is_vip', 'true')} OR ({eq('plan', 'pro')} AND engagement_score > 80))",
    ),
)
