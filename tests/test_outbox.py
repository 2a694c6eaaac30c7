"""What is put into the outbox at once: the deliveries of an import to many webhooks."""

from collections.abc import Sequence

import pytest

from diglot.model.webhooks import Delivery
from diglot.service.outbox import PART_LENGTH
from diglot.storage import deliveries
from diglot.storage.engine import Transaction
from outboxes import outbox


async def test_an_import_is_told_in_parts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few deliveries are in memory at once, and each webhook hears of all, in the order of the import."""
    parts: list[Sequence[Delivery]] = []
    insert = deliveries.insert_all

    async def insert_all(transaction: Transaction, workspace: int, new: Sequence[Delivery]) -> None:
        parts.append(new)
        await insert(transaction, workspace, new)

    monkeypatch.setattr(deliveries, "insert_all", insert_all)
    async with outbox(url) as box:
        hooks = [await box.hook(f"http://127.0.0.1/{n}") for n in range(3)]
        emails = await box.people(PART_LENGTH)
        assert {len(part) for part in parts} == {PART_LENGTH}
        told = [delivery for part in parts for delivery in part]
        assert [one.number for one in told] == list(range(told[0].number, told[0].number + len(told)))
        for hook in hooks:
            heard = [one.subject for one in told if one.webhook == hook.number]
            assert len(heard) == len(emails)
            assert all(email in subject for email, subject in zip(emails, heard, strict=True))
