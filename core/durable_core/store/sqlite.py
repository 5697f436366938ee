"""The store in a SQLite file: one writer per process, snapshot reads on every thread (D-2)."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

from durable_core.clock import Clock
from durable_core.errors import StoreError
from durable_core.store import forks
from durable_core.store.sqlite_faults import FAULTS, translate
from durable_core.store.sqlite_file import SqliteFile, connect, prepare_file
from durable_core.store.sqlite_sql import KNOWN, bound
from durable_core.store.transaction import NO_PARAMS, Dialect, Params, Row
from durable_core.store.urls import StoreUrl

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

__all__ = ["SqliteDatabase", "SqliteTransaction", "open_sqlite", "sqlite_engine", "sqlite_has_wal_reset_bug"]

_RESET_BUG_FIXED: Final = frozenset({(3, 44, 6), (3, 50, 7)})


def sqlite_has_wal_reset_bug(version: str | tuple[int, ...] = sqlite3.sqlite_version) -> bool:
    """Whether this SQLite library has the WAL-reset bug, 3.7.0 to 3.51.2: two processes may damage a file (D-2)."""
    parts = tuple(int(part) for part in version.split(".")) if isinstance(version, str) else tuple(version)
    parts = (parts + (0, 0, 0))[:3]
    return (3, 7, 0) <= parts <= (3, 51, 2) and parts not in _RESET_BUG_FIXED


def _closed(*_: object) -> Any:
    raise StoreError("this transaction is over", hint="Open another one with write() or read().")


class SqliteTransaction:
    """An open transaction on a SQLite connection."""

    __slots__ = ("_clock", "_connection", "_depth", "_execute", "_name", "_now", "failed")

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection, clock: Clock, name: str) -> None:
        self._connection = connection
        self._execute: Callable[..., sqlite3.Cursor] = connection.execute
        self._clock = clock
        self._name = name
        self._now: int | None = None
        self._depth = 0
        self.failed = False

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run one statement; return the number of rows it changed."""
        known = KNOWN.get(sql) or bound(sql)
        try:
            return self._execute(known.text, known.values(params)).rowcount
        except KeyError:
            raise known.missing(params) from None
        except FAULTS as error:
            self.failed = True
            raise translate(error, self._name) from error

    def fetch(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement and return all its rows."""
        known = KNOWN.get(sql) or bound(sql)
        try:
            return self._execute(known.text, known.values(params)).fetchall()
        except KeyError:
            raise known.missing(params) from None
        except FAULTS as error:
            self.failed = True
            raise translate(error, self._name) from error

    fetch_alone = fetch

    def fetch_one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Run one statement and return its first row, or None."""
        known = KNOWN.get(sql) or bound(sql)
        try:
            cursor = self._execute(known.text, known.values(params))
            row: Row | None = cursor.fetchone()
            cursor.close()  # or the rest of the rows would keep the statement, and its snapshot, open
            return row
        except KeyError:
            raise known.missing(params) from None
        except FAULTS as error:
            self.failed = True
            raise translate(error, self._name) from error

    def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run one statement for each row of parameters; return the number of rows changed in all."""
        if not rows:
            return 0
        if self._execute is _closed:
            _closed()
        try:
            known = bound(sql)
            return self._connection.executemany(known.text, [known.values(row) for row in rows]).rowcount
        except KeyError as error:
            raise StoreError(f"a statement names the parameter :{error.args[0]}, which was not given") from None
        except FAULTS as error:
            self.failed = True
            raise translate(error, self._name) from error

    def now(self, *, refresh: bool = False) -> int:
        """The given clock, read once a transaction unless ``refresh``."""
        if self._now is None or refresh:
            self._now = self._clock.now_us()
        return self._now

    def given_now(self) -> int:
        """The same."""
        return self.now()

    def savepoint(self) -> _Savepoint:
        """Undo what happens inside when it ends in an exception."""
        return _Savepoint(self)

    def end(self) -> None:
        """Refuse every further statement: the connection belongs to somebody else now."""
        self._execute = _closed


class _Savepoint:
    __slots__ = ("_failed_before", "_name", "_tx")

    def __init__(self, tx: SqliteTransaction) -> None:
        self._tx = tx

    def __enter__(self) -> None:
        tx = self._tx
        tx._depth += 1
        self._name = f"s{tx._depth}"
        self._failed_before = tx.failed
        tx.execute(f"SAVEPOINT {self._name}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        tx = self._tx
        tx._depth -= 1
        if kind is not None:
            # A full disk has ended the whole transaction already.
            if not tx._connection.in_transaction:
                return
            tx.execute(f"ROLLBACK TO {self._name}")
            tx.failed = self._failed_before
        tx.execute(f"RELEASE {self._name}")


class _Write:
    __slots__ = ("_changes", "_connection", "_database", "_tx")

    def __init__(self, database: SqliteDatabase, connection: sqlite3.Connection | None = None) -> None:
        self._database = database
        self._connection = connection

    def __enter__(self) -> SqliteTransaction:
        database = self._database
        connection = self._connection
        if connection is None:
            connection = self._connection = database.file.begin(database.busy_timeout)
        self._changes = connection.total_changes
        tx = self._tx = SqliteTransaction(connection, database.clock, database.file.name)
        return tx

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        database, tx = self._database, self._tx
        file, connection = database.file, tx._connection
        tx._execute = _closed
        try:
            if kind is None and not tx.failed:
                file.commit(connection, database.busy_timeout)
                if connection.total_changes != self._changes:
                    database.commits += 1
            else:
                file.rollback(connection)
                if kind is None:
                    raise StoreError(
                        "a statement of this transaction failed, so nothing of it was stored",
                        hint="Let the error pass, or put the part that may fail inside savepoint().",
                    )
        finally:
            self._connection = None
            file.release()


class _Read:
    __slots__ = ("_database", "_reader", "_tx")

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def __enter__(self) -> SqliteTransaction:
        database = self._database
        reader = self._reader = database.file.reader()
        connection = reader.connection
        assert connection is not None
        if not reader.depth:
            try:
                connection.execute("BEGIN")
            except sqlite3.Error as error:
                reader.lock.release()
                raise translate(error, database.file.name) from error
        reader.depth += 1
        tx = self._tx = SqliteTransaction(connection, database.clock, database.file.name)
        return tx

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._tx._execute = _closed
        reader = self._reader
        reader.depth -= 1
        if not reader.depth:
            try:
                connection = reader.connection
                if connection is not None and connection.in_transaction:
                    connection.execute("COMMIT")
            except sqlite3.Error as fault:
                reader.close()
                if kind is None:
                    raise translate(fault, self._database.file.name) from fault
            finally:
                reader.lock.release()


class SqliteDatabase:
    """A store in a SQLite file; two opened on the same file in one process share one writer."""

    dialect: Literal["sqlite"] = "sqlite"
    writers = 1

    def __init__(self, target: StoreUrl, file: SqliteFile, clock: Clock, busy_timeout: float) -> None:
        self.url = target.url
        self.safe_url = target.safe_url
        self.file = file
        self.clock = clock
        self.busy_timeout = busy_timeout
        self.commits = 0
        self._engine: Engine | None = None
        self._open = True

    def write(self) -> _Write:
        """A write transaction, begun at once with BEGIN IMMEDIATE."""
        return _Write(self)

    def try_write(self) -> _Write | None:
        """An open write transaction, or None while another thread or process writes."""
        connection = self.file.try_begin()
        return None if connection is None else _Write(self, connection)

    def try_alone(self, sql: str, params: Params) -> int | None:
        """One statement in autocommit mode; what went wrong is found out by whoever tries again in a transaction."""
        connection = self.file.try_take()
        if connection is None:
            return None
        known = KNOWN.get(sql) or bound(sql)
        try:
            changed = connection.execute(known.text, known.values(params)).rowcount
        except FAULTS:
            self.file.rollback(connection)
            return None
        finally:
            self.file.release()
        if changed:
            self.commits += 1
        return changed

    def read(self) -> AbstractContextManager[SqliteTransaction]:
        """A snapshot on this thread's own connection; nested reads of a thread share it."""
        return _Read(self)

    def autocommit_fetch(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement as its own write transaction and return its rows."""
        with _Write(self) as tx:
            return tx.fetch(sql, params)

    def session(self) -> Session:
        """A SQLModel session on its own read connection."""
        from sqlmodel import Session

        if self._engine is None:
            self._engine = self._session_engine()
        return Session(self._engine)

    def migration_engine(self) -> Engine:
        """An engine whose transactions shut out every other writer, for migrations."""
        return sqlite_engine(
            lambda: connect(self.file.path, busy_timeout=self.busy_timeout, read_only=False), begin="BEGIN EXCLUSIVE"
        )

    def identity(self) -> str:
        """The real path of the file."""
        return f"sqlite:{self.file.name}"

    def close(self) -> None:
        """Give the file back; its connections close with the last Database on it."""
        if not self._open:
            return
        self._open = False
        self._dispose_engine()
        _files.give_back(self.file)

    def _dispose_engine(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _session_engine(self) -> Engine:
        return sqlite_engine(self._connect_for_reads)

    def _connect_for_reads(self) -> sqlite3.Connection:
        try:
            return connect(self.file.path, busy_timeout=self.busy_timeout, read_only=True)
        except sqlite3.Error as error:
            raise translate(error, self.file.name) from error


def sqlite_engine(creator: Callable[[], sqlite3.Connection], *, begin: str = "BEGIN") -> Engine:
    """A SQLAlchemy engine over our own connections, each closed after its use."""
    from sqlalchemy import Connection, NullPool, create_engine, event

    engine = create_engine("sqlite://", creator=creator, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:  # the driver, told not to meddle, begins nothing by itself
        connection.exec_driver_sql(begin)

    return engine


class _OpenFiles:
    """Every file this process has open, by real path: SQLite's locks are per process, so the writer must be too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, SqliteFile] = {}
        forks.register(self)

    def take(self, path: Path, busy_timeout: float) -> SqliteFile:
        key = os.path.realpath(path)
        fresh = SqliteFile(Path(key), busy_timeout)  # outside the lock: it registers for forks, which take this lock
        with self._lock:
            file = self._files.setdefault(key, fresh)
            file.references += 1
        return file

    def give_back(self, file: SqliteFile) -> None:
        with self._lock:
            file.references -= 1
            if file.references:
                return
            self._files.pop(file.name, None)
        file.close()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()


_files = _OpenFiles()


def open_sqlite(target: StoreUrl, *, clock: Clock, create: bool, busy_timeout: float) -> SqliteDatabase:
    """The store of a SQLite URL; makes the file, mode 0600, when it may."""
    assert target.path is not None, "an in-memory store has no file"
    prepare_file(target.path, create=create)
    return SqliteDatabase(target, _files.take(target.path, busy_timeout), clock, busy_timeout)
