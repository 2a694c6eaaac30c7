"""Sweeps: statements that look for work in many workspaces at once.

The workspaces are divided into shares by their numbers, so that the processes of a fleet divide the work.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Integer, Select, bindparam, true

from diglot.storage.sql.backend import Backend, Expression
from diglot.storage.sql.engine import NO_VALUES, Row, Transaction
from diglot.storage.sql.statement import BackendStatement

# A process with a share looks for work every few seconds, so the number of shares also bounds how many
# processes of a fleet look, and how many of them verify and compact at the same time.
SHARES: Final = 16
ALL_SHARES: Final = frozenset(range(SHARES))
# How long a statement of background work may take if it only looks, or writes a few rows. A node that hangs
# costs that much.
LOOK_SECONDS: Final = 3.0


def share_of(workspace: int) -> int:
    """Return the share that a workspace belongs to."""
    return workspace % SHARES


class Scope(msgspec.Struct, frozen=True):
    """The workspaces that a sweep looks at: those of some shares, or only the listed ones."""

    shares: frozenset[int] = ALL_SHARES
    listed: Sequence[int] | None = None


EVERYWHERE: Final = Scope()
# Returns a condition on the workspace of a subquery.
Restriction = Callable[[Expression], Expression]


class SweepStatement:
    """A statement over the workspaces of a scope; `workspace` is the column with their numbers.

    `build` returns it without that scope. It gets a function that restricts the workspace of a subquery to
    the listed ones, because Citus would ask all nodes for the subquery.
    """

    def __init__(self, build: Callable[[Restriction], Select[Any]], workspace: Column[Any]) -> None:
        self._of_shares = BackendStatement(
            lambda backend: build(lambda _: true()).where(is_in_scope(backend, workspace % SHARES))
        )
        self._of_listed = BackendStatement(
            lambda backend: build(partial(is_in_scope, backend)).where(is_in_scope(backend, workspace))
        )

    async def fetch_all(
        self, transaction: Transaction, scope: Scope, values: Mapping[str, Any] = NO_VALUES
    ) -> Sequence[Row]:
        """Return all rows of the workspaces in a scope."""
        numbers = scope.shares if scope.listed is None else scope.listed
        statement = self._of_shares if scope.listed is None else self._of_listed
        scope_value = transaction.backend.encode_list(sorted(numbers))
        return await transaction.fetch_all(statement, {**values, "scope": scope_value})


def is_in_scope(backend: Backend, number: Expression) -> Expression:
    """Return whether a number is in the list `scope`."""
    return backend.one_of(number, [], Integer(), lambda _, kind: bindparam("scope", type_=kind))
