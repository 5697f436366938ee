"""A SQLite store in memory: one connection, which the threads of this process take in turns."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from pathlib import Path
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Final

from durable_core.clock import Clock
from durable_core.errors import StoreError
from durable_core.store.sqlite import SqliteDatabase, SqliteTransaction, sqlite_engine
from durable_core.store.sqlite_faults import translate
from durable_core.store.sqlite_file import SqliteFile
from durable_core.store.transaction import Params
from durable_core.store.urls import StoreUrl

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["MemoryDatabase", "open_memory"]

_numbers: Final = itertools.count(1)


class _Memory(SqliteFile):
    """The connection and whose turn it is. A thread may read inside its own write, and write inside its own read."""

    def __init__(self, name: str, busy_timeout: float) -> None:
        super().__init__(Path(name), busy_timeout)
        self.references = 1
        self.reads = 0
        self.writing = False
        self.connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self.connection.execute("PRAGMA foreign_keys=ON")

    def open_connection(self) -> sqlite3.Connection:
        self._check_usable()
        assert self.connection is not None
        return self.connection

    def begin(self, patience: float) -> sqlite3.Connection:
        if self.owner != get_ident() or self.writing:
            if not self.lock.acquire(False):
                self._wait_for_turn(patience)
            self.owner = get_ident()
        return self._begin_in_turn()

    def try_begin(self) -> sqlite3.Connection | None:
        if self.owner != get_ident() or self.writing:
            if not self.lock.acquire(False):
                return None
            self.owner = get_ident()
        return self._begin_in_turn()

    def _begin_in_turn(self) -> sqlite3.Connection:
        self.writing = True
        try:
            connection = self.open_connection()
            if self.reads:
                connection.execute("PRAGMA query_only=OFF")
            connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self.release()
            raise
        return connection

    def release(self) -> None:
        self.writing = False
        if not self.reads:
            super().release()
        elif self.connection is not None:
            self.connection.execute("PRAGMA query_only=ON")

    def begin_read(self) -> sqlite3.Connection:
        if self.owner != get_ident():
            self.lock.acquire()
            self.owner = get_ident()
        self.reads += 1
        try:
            connection = self.open_connection()
            if self.reads == 1 and not self.writing:
                connection.execute("PRAGMA query_only=ON")
        except BaseException:
            self.end_read()
            raise
        return connection

    def end_read(self) -> None:
        self.reads -= 1
        if self.reads or self.writing:
            return
        if self.connection is not None:
            self.connection.execute("PRAGMA query_only=OFF")
        super().release()

    def data_version(self) -> tuple[int | None, bool]:
        return 0, True  # nobody else can commit here

    def before_fork(self) -> None:
        """Nothing: the child gets a copy of the whole store, as of now."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        if self.owner != get_ident():
            self.lock = threading.Lock()
            self.owner, self.reads, self.writing = 0, 0, False
            if self.connection is not None:
                self.rollback(self.connection)


class _MemoryRead:
    __slots__ = ("_database", "_tx")

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def __enter__(self) -> SqliteTransaction:
        memory = self._database.memory
        tx = self._tx = SqliteTransaction(memory.begin_read(), self._database.clock, memory.name)
        return tx

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._tx.end()
        self._database.memory.end_read()


class MemoryDatabase(SqliteDatabase):
    """A store that ends with this process; what a test runs on."""

    def __init__(self, target: StoreUrl, memory: _Memory, clock: Clock, busy_timeout: float) -> None:
        super().__init__(target, memory, clock, busy_timeout)
        self.memory = memory

    def try_alone(self, sql: str, params: Params) -> int | None:
        """Never: nothing is saved where no disk is."""
        return None

    def read(self) -> _MemoryRead:
        """A turn in which nobody writes: a snapshot by exclusion. Inside this thread's own write it sees that write."""
        return _MemoryRead(self)

    def migration_engine(self) -> Engine:
        """There is no older store in memory."""
        raise StoreError("a store in memory is always made by the library that uses it")

    def identity(self) -> str:
        """A name no other store in memory of this process has."""
        return f"sqlite:{self.memory.name}"

    def close(self) -> None:
        """Forget everything."""
        if self._open:
            self._open = False
            self._dispose_engine()
            self.memory.references = 0
            self.memory.close()

    def _session_engine(self) -> Engine:
        return sqlite_engine(self._copy)

    def _copy(self) -> sqlite3.Connection:
        # A session on the one connection would end other threads' transactions with its own.
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        try:
            connection = self.memory.begin_read()
            try:
                connection.backup(copy)
            finally:
                self.memory.end_read()
            copy.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            copy.close()
            raise translate(error, self.memory.name) from error
        return copy


def open_memory(target: StoreUrl, *, clock: Clock, busy_timeout: float) -> MemoryDatabase:
    """A new, empty store in memory."""
    name = f":memory:{next(_numbers)}"
    return MemoryDatabase(target, _Memory(name, busy_timeout), clock, busy_timeout)
