"""One open transaction over a raw driver connection: the only way rows are read and written on the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, Protocol, TypeAlias

from durable_core.errors import StoreError, StoreUnreachableError

__all__ = [
    "NO_PARAMS",
    "CommitUncertain",
    "ConstraintError",
    "ContentionError",
    "Dialect",
    "Params",
    "Row",
    "Transaction",
]

Dialect: TypeAlias = Literal["sqlite", "postgres"]
Params: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]

NO_PARAMS: Final[Params] = {}  # a plain dict: sqlite3 takes no other empty mapping


class ConstraintError(StoreError):
    """A unique key, a NOT NULL or a check refused a row; ``constraint`` names it where the database does."""

    def __init__(self, message: str = "", *, constraint: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.constraint = constraint


class ContentionError(StoreError):
    """Transactions got in each other's way; nothing of this one was stored, and running it again may succeed."""


class CommitUncertain(StoreUnreachableError):  # noqa: N818 - a state of knowledge, not a fault
    """The connection broke before the reply to COMMIT came: read the row by its natural key before writing it again."""


class Transaction(Protocol):
    """One open transaction. SQL is written once, with ``:name`` parameters, and runs on both databases."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL this transaction speaks."""
        ...

    def execute(self, sql: str, params: Params = ...) -> int:
        """Run one statement; return the number of rows it changed."""
        ...

    def fetch(self, sql: str, params: Params = ...) -> list[Row]:
        """Run one statement and return all its rows, those of RETURNING too."""
        ...

    def fetch_one(self, sql: str, params: Params = ...) -> Row | None:
        """Run one statement and return its first row, or None."""
        ...

    def fetch_alone(self, sql: str, params: Params = ...) -> list[Row]:
        """Run one statement as a transaction of its own where that saves round trips; inside this one otherwise."""
        ...

    def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run one statement for each row of parameters; return the number of rows changed in all."""
        ...

    def now(self, *, refresh: bool = False) -> int:
        """The store's clock in microseconds since 1970, read once a transaction unless ``refresh`` (S-4)."""
        ...

    def given_now(self) -> int | None:
        """The time, where it costs nothing to know; None where the server's own clock counts and is not read yet."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what happens inside when it ends in an exception, and nothing else of the transaction."""
        ...
