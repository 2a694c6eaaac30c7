"""A bare ASGI app that reads twice with the driver and returns the same bytes.

It is the lower bound for Diglot's cost.
"""

import hashlib
import json
import os
import time
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from diglot.storage.sql.sqlite_module import sqlite3

URL = os.environ["BENCH_URL"]
ENCODE = msgspec.json.Encoder().encode
DECODE = msgspec.json.Decoder().decode
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CONTACT = (
    "id, email, first_name, last_name, phone, company, job_title, source, status, tags, attributes, "
    "engagement_score, created_at, updated_at, lead_score, total_opens, total_clicks, total_orders, "
    "total_spent, last_opened_at, last_clicked_at, last_emailed_at, as_sent"
)
SEGMENT = (
    "id, name, description, type, original_text, last_calculated_at, created_at, updated_at, "
    "revision, next_change_at"
)
NEVER = 2**62
KEY = (
    "SELECT k.digest, k.workspace, k.revoked_at, k.scopes, w.contact_count FROM keys k "
    "JOIN workspaces w ON w.workspace = k.workspace WHERE k.lookup_prefix = {}"
)
ONE = f"SELECT {SEGMENT} FROM segments WHERE id = {{}} AND workspace = {{}}"
PAGE = f"SELECT {CONTACT} FROM contacts WHERE workspace = {{}} ORDER BY pk DESC LIMIT 100"
# The segment of all contacts that have a first name, from the key that a page begins with.
MEMBERS = (
    f"SELECT {CONTACT} FROM contacts WHERE pk <= {{}} AND workspace = {{}} AND first_name IS NOT NULL "
    "ORDER BY pk DESC LIMIT 100"
)
IDS = "SELECT id FROM contacts WHERE pk {} AND workspace = {{}} ORDER BY pk DESC"
# The keys of the members of a segment that a page has.
MEMBER_KEYS: list[int] = json.loads(os.environ.get("BENCH_KEYS", "[]"))
FIRST_KEYS: dict[str, int] = json.loads(os.environ.get("BENCH_PAGES", "{}"))
# Diglot's response to the count of the segment, so that both sides send the same bytes.
COUNT = int(os.environ["BENCH_COUNT"])


class Database:
    """The two database drivers, each used in the simplest way."""

    def __init__(self) -> None:
        self.postgresql = URL.startswith("postgres")
        self.pool: Any = None
        self.sqlite: Any = None

    async def open(self) -> None:
        if self.postgresql:
            self.pool = await asyncpg.create_pool(URL, min_size=4, max_size=4)
        else:
            self.sqlite = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None)

    async def reads(self, handle: str, statement: str, *values: Any) -> tuple[Any, list[Any]]:
        if self.postgresql:
            async with self.pool.acquire() as connection:
                key = await connection.fetchrow(KEY.format("$1"), handle)
                places = [f"${index + 1}" for index in range(len(values) + 1)]
                sql = statement.format(*places)
                return key, await connection.fetch(sql, *values, key[1])
        key = self.sqlite.execute(KEY.format("?"), (handle,)).fetchone()
        sql = statement.format(*["?"] * (len(values) + 1))
        return key, self.sqlite.execute(sql, (*values, key[1])).fetchall()


DATABASE = Database()


def seconds(instant: int | None) -> str | None:
    return None if instant is None else (EPOCH + timedelta(seconds=instant // 1_000_000)).isoformat() + "Z"


def milliseconds(instant: int | None) -> str | None:
    if instant is None:
        return None
    return (EPOCH + timedelta(milliseconds=instant // 1000)).isoformat(timespec="milliseconds") + "Z"


def number(value: float | None) -> float | None:
    return int(value) if value is not None and value == int(value) else value


def prefixed(uuid: str) -> str:
    bits = int(uuid.replace("-", ""), 16)
    return "seg_" + "".join(ALPHABET[bits >> shift & 31] for shift in range(125, -1, -5))


def misar_segment(row: Any) -> bytes:
    id_, name, description, kind, source, calculated, created, updated, revision, next_change = row
    data = {
        "id": prefixed(id_),
        "name": name,
        "description": description,
        "segment_type": kind,
        "filter_criteria": msgspec.Raw(source.encode()),
        "contact_count": COUNT,
        "last_calculated_at": seconds(calculated),
        "created_at": seconds(created),
        "updated_at": seconds(updated),
        "count_as_of": seconds(time.time_ns() // 1000),
        "revision": revision,
        "next_change_at": seconds(next_change if next_change < NEVER else None),
        "warnings": [],
    }
    return ENCODE({"success": True, "data": data})


def topmail_segment(row: Any) -> bytes:
    id_, name, _, _, source, _, created, updated, revision, next_change = row
    data = {
        "id": id_,
        "name": name,
        "conditions": msgspec.Raw(source.encode()),
        "created_at": milliseconds(created),
        "updated_at": milliseconds(updated),
        "revision": revision,
        "next_change_at": milliseconds(next_change if next_change < NEVER else None),
        "warnings": [],
    }
    return ENCODE({"data": data})


def topmail_estimate(row: Any) -> bytes:
    as_of = milliseconds(time.time_ns() // 1000)
    data = {
        "count": COUNT,
        "estimated_count": COUNT,
        "count_as_of": as_of,
        "revision": row[8],
        "warnings": [],
    }
    return ENCODE({"data": data})


def misar_ids(id_: str, rows: list[Any]) -> bytes:
    pages = -(-COUNT // 100)
    pagination = {"page": 1, "limit": 100, "total": COUNT, "totalPages": pages, "total_pages": pages}
    # The segment has never been updated.
    known = {"count_as_of": seconds(time.time_ns() // 1000), "revision": 1}
    data = {"segment_id": prefixed(id_), "contact_ids": [row[0] for row in rows]}
    return ENCODE({"success": True, "data": data, "pagination": pagination | known})


def misar_contact(row: Any) -> dict[str, Any]:
    return {
        "id": row[0],
        "email": row[1],
        "first_name": row[2],
        "last_name": row[3],
        "phone": row[4],
        "company": row[5],
        "job_title": row[6],
        "source": row[7],
        "status": row[8],
        "tags": msgspec.Raw(row[9].encode()),
        "custom_fields": msgspec.Raw(row[10].encode()),
        "engagement_score": number(row[11]),
        "created_at": seconds(row[12]),
        "updated_at": seconds(row[13]),
        "lead_score": number(row[14]),
        "total_opens": row[15],
        "total_clicks": row[16],
        "total_orders": row[17],
        "total_spent": number(row[18]),
        "last_opened_at": seconds(row[19]),
        "last_clicked_at": seconds(row[20]),
        "last_emailed_at": seconds(row[21]),
    }


def topmail_contact(row: Any) -> dict[str, Any]:
    return {
        "id": row[0],
        "email": row[1],
        "first_name": row[2],
        "last_name": row[3],
        "attributes": msgspec.Raw(row[10].encode()),
        "subscribed": row[8] == "subscribed",
        "created_at": milliseconds(row[12]),
        "updated_at": milliseconds(row[13]),
        "phone": row[4],
        "company": row[5],
        "job_title": row[6],
        "source": row[7],
        "status": row[8],
        "tags": msgspec.Raw(row[9].encode()),
        "engagement_score": number(row[11]),
        "lead_score": number(row[14]),
        "total_opens": row[15],
        "total_clicks": row[16],
        "total_orders": row[17],
        "total_spent": number(row[18]),
        "last_opened_at": milliseconds(row[19]),
        "last_clicked_at": milliseconds(row[20]),
        "last_emailed_at": milliseconds(row[21]),
    }


def misar_page(rows: list[Any], total: int) -> bytes:
    shown = [misar_contact(row) for row in rows]
    pages = -(-total // 100)
    pagination = {"page": 1, "limit": 100, "total": total, "total_pages": pages, "totalPages": pages}
    return ENCODE({"success": True, "data": shown, "contacts": shown, "pagination": pagination})


def topmail_page(rows: list[Any], total: int, offset: int = 0, **known: Any) -> bytes:
    more = offset + 100 < total
    pagination = {"total": total, "limit": 100, "offset": offset, "has_more": more, **known}
    return ENCODE({"data": [topmail_contact(row) for row in rows], "pagination": pagination})


async def answer(scope: dict[str, Any]) -> bytes:
    token = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")[2]
    digest = hashlib.sha256(token).hexdigest()
    path = scope["path"]
    if path == "/health":
        return b"{}"
    misar = path.startswith("/mail/")
    if path.endswith("/contacts") and "/segments/" in path:
        offset = scope["query_string"].decode().rpartition("=")[2]
        key, rows = await DATABASE.reads(digest[:16], MEMBERS, FIRST_KEYS[offset])
        assert key[0] == digest
        # The segment has never been updated.
        as_of = milliseconds(time.time_ns() // 1000)
        return topmail_page(rows, COUNT, int(offset), count_as_of=as_of, revision=1)
    if path.endswith("/members"):
        one_of, keys = (
            ("= ANY({})", MEMBER_KEYS)
            if DATABASE.postgresql
            else ("IN (SELECT value FROM json_each({}))", json.dumps(MEMBER_KEYS))
        )
        key, rows = await DATABASE.reads(digest[:16], IDS.format(one_of), keys)
        assert key[0] == digest
        return misar_ids(path.split("/")[-2], rows)
    if path.endswith("/estimate"):
        key, (row,) = await DATABASE.reads(digest[:16], ONE, path.split("/")[-2])
        assert key[0] == digest
        return topmail_estimate(row)
    if "/segments/" in path:
        id_ = path.rpartition("/")[2]
        key, (row,) = await DATABASE.reads(digest[:16], ONE, id_)
        assert key[0] == digest
        return misar_segment(row) if misar else topmail_segment(row)
    key, rows = await DATABASE.reads(digest[:16], PAGE)
    assert key[0] == digest
    return misar_page(rows, key[4]) if misar else topmail_page(rows, key[4])


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await DATABASE.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = await answer(scope)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
