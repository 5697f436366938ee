"""The store in PostgreSQL: READ COMMITTED writes on four connections, snapshot reads on others (D-3)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal

from durable_core.clock import SYSTEM_CLOCK, Clock
from durable_core.errors import StoreError
from durable_core.store import forks
from durable_core.store.postgres_connection import PostgresConnection, connect_driver
from durable_core.store.postgres_pool import WRITERS, PostgresPool
from durable_core.store.postgres_sql import statement
from durable_core.store.transaction import NO_PARAMS, Dialect, Params, Row
from durable_core.store.urls import StoreUrl

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

__all__ = ["PostgresDatabase", "PostgresTransaction", "open_postgres"]

_BEGIN_WRITE: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_READ: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NOW: Final = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


class PostgresTransaction:
    """An open transaction on a connection of the pool; BEGIN is sent before its first statement."""

    __slots__ = ("_begin", "_clock", "_connection", "_depth", "_now", "_pool", "alone", "begun", "over", "wrote")

    dialect: Dialect = "postgres"

    def __init__(
        self, pool: PostgresPool, connection: PostgresConnection, begin: bytes, clock: Clock | None = None
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._connection = connection
        self._begin = begin
        self._now: int | None = None
        self._depth = 0
        self.alone = 0
        """Writing statements that were transactions of their own."""
        self.begun = False
        self.over = False
        self.wrote = False

    @property
    def connection(self) -> PostgresConnection:
        """The connection it runs on."""
        return self._connection

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run one statement; return the number of rows it changed."""
        known = statement(sql)
        if not self.begun:
            self._start()
        if known.writes:
            self.wrote = True
        return self._connection.run(known, params).command_tuples or 0

    def fetch(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement and return all its rows."""
        known = statement(sql)
        if not self.begun:
            self._start()
        if known.writes:
            self.wrote = True
        connection = self._connection
        return connection.rows(connection.run(known, params))

    def fetch_one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Run one statement and return its first row, or None."""
        rows = self.fetch(sql, params)
        return rows[0] if rows else None

    def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run one statement for each row of parameters, in pipelines; return the number of rows changed in all."""
        if not rows:
            return 0
        if not self.begun:
            self._start()
        self.wrote = True
        return self._connection.run_many(statement(sql), rows)

    def now(self, *, refresh: bool = False) -> int:
        """The server's clock (or a virtual one), read once a transaction unless ``refresh`` (S-4)."""
        if self._now is None or refresh:
            now: int = self.fetch(_NOW)[0][0] if self._clock is None else self._clock.now_us()
            self._now = now
        return self._now

    def given_now(self) -> int | None:
        """A virtual clock's time, or what the server was asked already."""
        return self._now if self._clock is None else self.now()

    def savepoint(self) -> _Savepoint:
        """Undo what happens inside when it ends in an exception."""
        return _Savepoint(self)

    def fetch_alone(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement as a transaction of its own, in one round trip; inside this one once it has begun."""
        if self.begun:
            return self.fetch(sql, params)
        known = statement(sql)
        connection = self._connection
        try:
            rows = connection.rows(connection.run(known, params))
        except StoreError as error:
            if connection.broken and known.writes:
                raise connection.uncertain() from error
            raise
        self.alone += known.writes
        return rows

    def command(self, sql: bytes) -> None:
        """Run a statement without parameters and rows."""
        if not self.begun:
            self._start()
        self._connection.command(sql)

    def _start(self) -> None:
        if self.over:
            raise StoreError("this transaction is over", hint="Open another one with write() or read().")
        while True:
            try:
                self._connection.command(self._begin)
                break
            except StoreError:
                if not self._connection.broken:
                    raise
                # Nothing was sent before it, so a new connection loses nothing.
                self._pool.discard(self._connection)
                self._connection = self._pool.connection()
        self.begun = True


class _Savepoint:
    __slots__ = ("_name", "_tx")

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx

    def __enter__(self) -> None:
        tx = self._tx
        tx._depth += 1
        self._name = b"s%d" % tx._depth
        tx.command(b"SAVEPOINT " + self._name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        tx = self._tx
        tx._depth -= 1
        if kind is None:
            tx.command(b"RELEASE " + self._name)
        elif not tx.connection.broken:
            tx.command(b"ROLLBACK TO " + self._name + b"; RELEASE " + self._name)


class _Block:
    __slots__ = ("_connection", "_database", "_tx", "_write")

    def __init__(
        self, database: PostgresDatabase, *, write: bool, connection: PostgresConnection | None = None
    ) -> None:
        self._database = database
        self._write = write
        self._connection = connection

    def __enter__(self) -> PostgresTransaction:
        pool, write = self._database.pool, self._write
        connection = self._connection or self._database.take(write=write)
        begin = _BEGIN_WRITE if write else _BEGIN_READ
        tx = self._tx = PostgresTransaction(pool, connection, begin, self._database.clock)
        return tx

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        database, tx = self._database, self._tx
        connection = tx.connection
        try:
            for _number in range(tx.alone):
                database.count_commit()
            if not tx.begun:
                return
            if kind is not None or connection.failed():
                if not connection.broken:
                    _end_quietly(connection)
                if kind is None:
                    raise StoreError(
                        "a statement of this transaction failed, so nothing of it was stored",
                        hint="Let the error pass, or put the part that may fail inside savepoint().",
                    )
            elif tx.wrote:
                connection.commit()
                database.count_commit()
            else:
                connection.command(b"COMMIT")
        finally:
            tx.begun, tx.over = False, True
            database.give_back(connection, write=self._write)


def _end_quietly(connection: PostgresConnection) -> None:
    try:
        connection.command(b"ROLLBACK")
    except StoreError:
        connection.broken = True  # the server rolls back what it does not hear from again


class PostgresDatabase:
    """A store in a PostgreSQL database."""

    dialect: Literal["postgres"] = "postgres"
    writers = WRITERS

    def __init__(self, target: StoreUrl, busy_timeout: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self.url = target.url
        self.safe_url = target.safe_url
        self.target = target
        self.clock = None if clock is SYSTEM_CLOCK else clock
        """A virtual clock takes the place of the server's; the machine's own never does."""
        self.pool = PostgresPool(target, busy_timeout)
        self.commits = 0
        self._count_lock = threading.Lock()
        self._writing: set[int] = set()
        self._engine: Engine | None = None
        forks.register(self)

    def write(self) -> _Block:
        """A write transaction at READ COMMITTED on one of four connections."""
        return _Block(self, write=True)

    def try_write(self) -> _Block | None:
        """The same, or None when all of them are at work."""
        if get_ident() in self._writing:
            return None
        connection = self.pool.try_take_writer()
        if connection is None:
            return None
        self._writing.add(get_ident())
        return _Block(self, write=True, connection=connection)

    def try_alone(self, sql: str, params: Params) -> int | None:
        """Never: a transaction that has one statement with `fetch_alone` is not opened either."""
        return None

    def read(self) -> _Block:
        """A snapshot: REPEATABLE READ, READ ONLY."""
        return _Block(self, write=False)

    def autocommit_fetch(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement as its own transaction in one round trip, without BEGIN and COMMIT."""
        known = statement(sql)
        connection = self.pool.take(write=True)
        try:
            try:
                rows = connection.rows(connection.run(known, params))
            except StoreError as error:
                if connection.broken and known.writes:
                    raise connection.uncertain() from error
                raise
            if known.writes:
                self.count_commit()
            return rows
        finally:
            self.pool.give_back(connection, write=True)

    def session(self) -> Session:
        """A SQLModel session; its connections are apart from the pool's."""
        from sqlmodel import Session

        if self._engine is None:
            self._engine = self._new_engine()
        return Session(self._engine)

    def migration_engine(self) -> Engine:
        """An engine for migrations, which take the advisory lock themselves."""
        return self._new_engine()

    def identity(self) -> str:
        """Server and database."""
        return f"postgresql://{self.target.host}/{self.target.database}"

    def close(self) -> None:
        """Give the connections back to the server."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        self.pool.close()

    def take(self, *, write: bool) -> PostgresConnection:
        """A connection of the pool for one block."""
        if not write:
            return self.pool.take(write=False)
        if get_ident() in self._writing:
            raise StoreError(
                "a write transaction was opened inside another one of the same thread",
                hint="Use the open transaction, with savepoint() for a part that may fail.",
            )
        connection = self.pool.take(write=True)
        self._writing.add(get_ident())
        return connection

    def give_back(self, connection: PostgresConnection, *, write: bool) -> None:
        """Return what ``take`` lent."""
        if write:
            self._writing.discard(get_ident())
        self.pool.give_back(connection, write=write)

    def count_commit(self) -> None:
        """One more durable commit."""
        with self._count_lock:
            self.commits += 1

    def _new_engine(self) -> Engine:
        from sqlalchemy import NullPool, create_engine

        def creator() -> object:
            connection = connect_driver(self.target)
            connection.autocommit = False  # SQLAlchemy counts on the driver to begin transactions
            return connection

        return create_engine("postgresql+psycopg://", creator=creator, poolclass=NullPool)

    def before_fork(self) -> None:
        """Nothing."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """No other thread came along."""
        self._count_lock = threading.Lock()
        self._writing = set()


def open_postgres(target: StoreUrl, *, busy_timeout: float, clock: Clock = SYSTEM_CLOCK) -> PostgresDatabase:
    """The store of a PostgreSQL URL; connects when it is first used."""
    return PostgresDatabase(target, busy_timeout, clock)
