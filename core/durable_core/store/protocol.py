"""What a store can do for the floors above, whichever database it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from durable_core.store.transaction import NO_PARAMS, Dialect, Params, Row, Transaction

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

__all__ = ["Database"]


class Database(Protocol):
    """One open store. Every method may be called from any thread."""

    commits: int
    """Durable commits made through this object; a transaction that wrote nothing is none."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL it speaks."""
        ...

    @property
    def url(self) -> str:
        """The URL it was opened with, password included: for connecting, not for showing."""
        ...

    @property
    def safe_url(self) -> str:
        """The URL with its password masked."""
        ...

    @property
    def writers(self) -> int:
        """How many write transactions can run at once: 1 on SQLite, 4 on PostgreSQL."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        ...

    def try_write(self) -> AbstractContextManager[Transaction] | None:
        """A write transaction that is already open, or None when it would have to wait. Enter what you get, always."""
        ...

    def try_alone(self, sql: str, params: Params) -> int | None:
        """Run one statement as a transaction of its own, without the cost of opening one; returns the rows it changed.

        None, and nothing has happened, when it would have to wait, when it failed, and where this saves nothing.
        """
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """A transaction that sees one snapshot and cannot write."""
        ...

    def autocommit_fetch(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement as its own write transaction and return its rows: the shortest way to disk."""
        ...

    def session(self) -> Session:
        """A SQLModel session for reads for people; costs an import of SQLModel the first time."""
        ...

    def migration_engine(self) -> Engine:
        """An engine whose transactions shut out every other migration."""
        ...

    def identity(self) -> str:
        """What is equal for two URLs of the same store, and stays so over restarts."""
        ...

    def close(self) -> None:
        """Give the connections back; closing twice is fine."""
        ...
