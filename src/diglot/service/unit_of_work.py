"""Decorators that run a method of a use case in a transaction.

The engine runs a function rather than a `with` block, because on SQLite a whole unit runs on the thread of
its connection. The decorators build that function. The public method takes a `Caller`; the decorated one gets
the caller's workspace bound to a transaction instead, so it cannot touch another workspace.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from diglot.clock import Clock
from diglot.membership.index_ahead import index_ahead
from diglot.model.workspaces import Caller
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import NOTHING, Reservation, WriteUnit, lock_workspace

P = ParamSpec("P")
T = TypeVar("T")


class ReadingUseCases(Protocol):
    """Use cases that read a database."""

    @property
    def engine(self) -> Engine: ...


class UseCases(ReadingUseCases, Protocol):
    """Use cases that also write, and read the time from a clock."""

    @property
    def clock(self) -> Clock: ...


R = TypeVar("R", bound=ReadingUseCases)
W = TypeVar("W", bound=UseCases)


def point_reads(
    method: Callable[Concatenate[R, Tenant, P], Awaitable[T]],
) -> Callable[Concatenate[R, Caller, P], Coroutine[Any, Any, T]]:
    """Run a use case that is one read by a unique key, without a transaction."""

    @wraps(method)
    async def run(self: R, caller: Caller, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.engine.point_read(
            bind_workspace(caller.workspace, lambda tenant: method(self, tenant, *args, **kwargs))
        )

    return run


def reads(
    method: Callable[Concatenate[R, Tenant, P], Awaitable[T]],
) -> Callable[Concatenate[R, Caller, P], Coroutine[Any, Any, T]]:
    """Run a use case in one snapshot of the caller's workspace."""

    @wraps(method)
    async def run(self: R, caller: Caller, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.engine.read(
            bind_workspace(caller.workspace, lambda tenant: method(self, tenant, *args, **kwargs)),
            workspace=caller.workspace,
        )

    return run


def writes_with(
    reservation: Reservation,
) -> Callable[
    [Callable[Concatenate[W, WriteUnit, P], Awaitable[T]]],
    Callable[Concatenate[W, Caller, P], Coroutine[Any, Any, T]],
]:
    """Run a use case as `writes` does, and update what it most likely changes in the statement that locks."""

    def decorate(
        method: Callable[Concatenate[W, WriteUnit, P], Awaitable[T]],
    ) -> Callable[Concatenate[W, Caller, P], Coroutine[Any, Any, T]]:
        @wraps(method)
        async def run(self: W, caller: Caller, /, *args: P.args, **kwargs: P.kwargs) -> T:
            def work(unit: WriteUnit) -> Awaitable[T]:
                return method(self, unit, *args, **kwargs)

            if reservation.moves_members:
                await index_ahead(self.engine, caller.workspace)
            unit_of_work = lock_workspace(caller.workspace, self.clock, work, reservation)
            return await self.engine.write(unit_of_work, workspace=caller.workspace)

        return run

    return decorate


def writes(
    method: Callable[Concatenate[W, WriteUnit, P], Awaitable[T]],
) -> Callable[Concatenate[W, Caller, P], Coroutine[Any, Any, T]]:
    """Run a use case in one transaction that locks the caller's workspace, and roll back if it raises."""
    return writes_with(NOTHING)(method)
