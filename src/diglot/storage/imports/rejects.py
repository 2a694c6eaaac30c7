"""The rows of imports that were not imported."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, select

from diglot.model.imports import RejectedRow
from diglot.storage import bulk
from diglot.storage.schema import import_rejects
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

ROWS_PER_READ: Final = 500
_c = import_rejects.c
_INSERT: Final = bulk.build_insert(import_rejects)
_AFTER: Final = Statement(
    select(_c.row_number, _c.reason, _c.email, _c.cells)
    .where(
        _c.workspace == bindparam("workspace"), _c.job == bindparam("job"), _c.row_number > bindparam("after")
    )
    .order_by(_c.row_number)
    .limit(bindparam("limit"))
)
_BY_EMAIL: Final = Statement(
    select(_c.job, _c.row_number, _c.reason, _c.cells).where(
        _c.workspace == bindparam("workspace"), _c.email == bindparam("email")
    )
)
_DELETE_BY_EMAIL: Final = Statement(
    delete(import_rejects).where(_c.workspace == bindparam("workspace"), _c.email == bindparam("email"))
)
_DELETE_OF_JOB: Final = Statement(
    delete(import_rejects).where(_c.workspace == bindparam("workspace"), _c.job == bindparam("job"))
)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[str]).decode


async def insert_rows(tenant: Tenant, job: int, rows: Sequence[RejectedRow]) -> None:
    """Insert rejected rows of a job."""
    values = [
        {
            "job": job,
            "row_number": row.row,
            "reason": row.reason,
            "email": row.email,
            "cells": _encode(row.cells).decode(),
        }
        for row in rows
    ]
    await _INSERT.execute(tenant, values)


async def load_after(tenant: Tenant, job: int, row: int, limit: int = ROWS_PER_READ) -> list[RejectedRow]:
    """Return some rejected rows of a job after a row number, in order; none at the end."""
    rows = await tenant.fetch_all(_AFTER, job=job, after=row, limit=limit)
    return [RejectedRow(number, reason, email, _decode(cells)) for number, reason, email, cells in rows]


async def load_of_person(tenant: Tenant, email: str) -> list[tuple[int, RejectedRow]]:
    """Return the rejected rows with an address, each with the number of its job."""
    rows = await tenant.fetch_all(_BY_EMAIL, email=email)
    return [(job, RejectedRow(number, reason, email, _decode(cells))) for job, number, reason, cells in rows]


async def delete_of_person(tenant: Tenant, email: str) -> None:
    """Delete the rejected rows with an address."""
    await tenant.execute(_DELETE_BY_EMAIL, email=email)


async def delete_of_job(tenant: Tenant, job: int) -> None:
    """Delete the rejected rows of a job."""
    await tenant.execute(_DELETE_OF_JOB, job=job)
