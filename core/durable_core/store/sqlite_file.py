"""One SQLite file as this process sees it: one write connection under a lock, one read connection a thread (D-2)."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import stat
import threading
import time
import weakref
from pathlib import Path
from threading import get_ident
from typing import Final
from urllib.parse import quote

from durable_core.clock import SYSTEM_CLOCK
from durable_core.errors import StoreError, StoreUnreachableError
from durable_core.store import forks
from durable_core.store.sqlite_faults import is_busy, locked_error, translate

__all__ = ["Reader", "SqliteFile", "connect", "prepare_file"]

_log = logging.getLogger("durable_studio.store")
_CACHED_STATEMENTS: Final = 512
_FORK_PATIENCE: Final = 5.0
# Leaked on purpose: a connection of the parent must not even be closed in the child.
_inherited: list[object] = []

_NOTHING: Final[dict[None, None]] = {}
if (type(None), sqlite3.PrepareProtocol) not in sqlite3.adapters:
    # A step row has many NULLs, and the driver asks each None for a conversion that it does not have: 0.2 us. An empty
    # dict has the same answer at once.
    sqlite3.register_adapter(type(None), _NOTHING.get)


def prepare_file(path: Path, *, create: bool) -> None:
    """Make sure the file is there, mode 0600 when it is made here; SQLite gives -wal and -shm the file's own mode."""
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        kind = 0
    except OSError as error:
        raise StoreUnreachableError(
            f"the store {path} cannot be reached: {error.strerror}",
            hint="Give this user access to its directory, or choose another DURABLE_URL.",
        ) from error
    if stat.S_ISDIR(kind):
        raise StoreUnreachableError(
            f"the store {path} is a directory", hint=f"Name a file in it, e.g. sqlite:///{path}/durable.db."
        )
    if kind:
        return
    if not path.parent.is_dir():
        raise StoreUnreachableError(
            f"the directory of the store {path} does not exist", hint=f"Create it: mkdir -p {path.parent}"
        )
    if not create:
        raise StoreUnreachableError(
            f"there is no store at {path}", hint="Create it: durable-studio db init, or check DURABLE_URL."
        )
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
    except FileExistsError:
        return  # another process was faster
    except OSError as error:
        raise StoreUnreachableError(
            f"the store {path} cannot be created: {error.strerror}",
            hint=f"Give this user write permission on {path.parent}, or choose another DURABLE_URL.",
        ) from error
    os.close(descriptor)


def connect(path: Path, *, busy_timeout: float, read_only: bool) -> sqlite3.Connection:
    """A connection with the settings of D-2; never creates the file."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
        timeout=busy_timeout,
    )
    try:
        if not read_only:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise StoreUnreachableError(
                    f"the file system of the store {path} cannot keep SQLite's write-ahead log (journal mode: {mode})",
                    hint="Put the file on a local disk, or use PostgreSQL for a store shared by machines.",
                )
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA wal_autocheckpoint=1000")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _version_of(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


class Reader:
    """The read connection of one thread; ``depth`` counts the blocks that share its snapshot."""

    __slots__ = ("__weakref__", "connection", "depth", "lock")

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self.depth = 0
        self.lock = threading.Lock()

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        self.close()  # the thread ended


class SqliteFile:
    """The connections of this process to one file, shared by every Database opened on it."""

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self.path = path
        self.name = str(path)
        self.busy_timeout = busy_timeout
        self.references = 0
        self.lock = threading.Lock()
        self.owner = 0
        self.connection: sqlite3.Connection | None = None
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._readers_guard = threading.Lock()
        self._version: int | None = None
        self._version_wanted = False
        self._refusal: str | None = None
        self._held_for_fork: list[threading.Lock] = []
        forks.register(self)

    def begin(self, patience: float) -> sqlite3.Connection:
        """Take the writer's lock and the file's; return the connection with its transaction open."""
        if not self.lock.acquire(False):
            self._wait_for_turn(patience)
        self.owner = get_ident()
        try:
            connection = self.connection or self._open_writer(patience)
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                self._begin_patiently(connection, error, patience)
        except BaseException:
            self.release()
            raise
        return connection

    def try_take(self) -> sqlite3.Connection | None:
        """The write connection under this process's lock, without a transaction; None while another thread has it."""
        if not self.lock.acquire(False):
            return None
        self.owner = get_ident()
        connection = self.connection
        if connection is None:
            self.release()
        return connection

    def try_begin(self) -> sqlite3.Connection | None:
        """The same as `begin`, or None when anybody else is writing right now."""
        if not self.lock.acquire(False):
            return None
        self.owner = get_ident()
        try:
            connection = self.connection or self._open_writer(0.0)
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self.release()
            if is_busy(error):
                return None
            raise translate(error, self.name) from error
        except BaseException:
            self.release()
            raise
        return connection

    def commit(self, connection: sqlite3.Connection, patience: float) -> None:
        """Make the open transaction durable, or undo it and say why."""
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            try:
                self._patiently(connection, "COMMIT", error, patience)
            except BaseException:
                self.rollback(connection)
                raise

    def rollback(self, connection: sqlite3.Connection) -> None:
        """Undo the open transaction; a failing disk ends it by itself."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            # A connection that cannot even roll back is of no use; closing it drops its locks.
            self.connection = None
            connection.close()

    def release(self) -> None:
        """Let the next writer of this process in."""
        try:
            if self._version_wanted:
                self._look_for_others()
        finally:  # an interrupt of the keyboard may arrive in there
            self.owner = 0
            self.lock.release()

    def reader(self) -> Reader:
        """The calling thread's reader, its lock taken and its connection open."""
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = Reader()
            with self._readers_guard:
                self._readers.add(reader)
        if reader.depth:
            return reader
        reader.lock.acquire()
        try:
            if reader.connection is None:
                self._check_usable()
                reader.connection = connect(self.path, busy_timeout=self.busy_timeout, read_only=True)
        except BaseException as error:
            reader.lock.release()
            if isinstance(error, sqlite3.Error):
                raise translate(error, self.name) from error
            raise
        return reader

    def data_version(self) -> tuple[int | None, bool]:
        """A number that changes when another process has committed (None: not known yet), and whether it is of now.

        While a thread of this process writes, it is the number of an earlier look: the writer looks again when it is
        done, for the next call. Waiting for the writer's lock here would cost it a system call at each of its commits.
        """
        if not self.lock.acquire(False):
            self._version_wanted = True
            return self._version, False
        try:
            self._version = _version_of(self.connection or self._open_writer(0.0))
            self._version_wanted = False
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translate(error, self.name) from error
            return self._version, False
        finally:
            self.lock.release()
        return self._version, True

    def _look_for_others(self) -> None:
        """What `data_version` has asked the writer for, in its own time."""
        self._version_wanted = False
        if self.connection is not None:
            try:
                self._version = _version_of(self.connection)
            except sqlite3.Error as error:  # whoever asks next finds out by himself
                _log.debug("%s: the version could not be read: %s", self.name, error)

    def close(self) -> None:
        """Close every connection once nobody writes."""
        with self.lock:
            connection, self.connection = self.connection, None
            if connection is not None:
                connection.close()
        with self._readers_guard:
            readers = list(self._readers)
        for reader in readers:
            with reader.lock:
                reader.close()

    def _check_usable(self) -> None:
        if self._refusal:
            raise StoreUnreachableError(
                self._refusal,
                hint="Start processes with the 'spawn' or 'forkserver' method, or fork between transactions.",
            )
        if not self.references:
            raise StoreError(f"the store {self.name} is closed", hint="Open it again with open_database().")

    def _wait_for_turn(self, patience: float) -> None:
        if self.owner == get_ident():
            raise StoreError(
                "a write transaction was opened inside another one of the same thread",
                hint="Use the open transaction, with savepoint() for a part that may fail.",
            )
        # Twice: the thread that is in may be waiting for another process, and then speaks first.
        if not self.lock.acquire(timeout=2 * patience + 1):
            raise StoreUnreachableError(
                f"another thread of this process has held the store {self.name} for over {2 * patience + 1:g} s",
                hint="Keep write transactions short: no waiting inside of them.",
            )

    def _open_writer(self, patience: float) -> sqlite3.Connection:
        self._check_usable()
        deadline = SYSTEM_CLOCK.monotonic() + patience
        while True:
            try:
                connection = connect(self.path, busy_timeout=patience, read_only=False)
                break
            except sqlite3.Error as error:
                if not is_busy(error):
                    if not self.path.exists():
                        raise StoreUnreachableError(
                            f"the store {self.name} is gone", hint="Put the file back, or restart to begin a new one."
                        ) from error
                    raise translate(error, self.name) from error
                if SYSTEM_CLOCK.monotonic() >= deadline:
                    if not patience:
                        raise
                    raise locked_error(self.path, patience) from error
                time.sleep(0.005)
        # SQLite's own busy handler sleeps up to 100 ms at a time and is deaf to Ctrl-C: `_patiently` waits instead.
        connection.execute("PRAGMA busy_timeout=0")
        self.connection = connection
        return connection

    def _begin_patiently(self, connection: sqlite3.Connection, error: sqlite3.Error, patience: float) -> None:
        self._patiently(connection, "BEGIN IMMEDIATE", error, patience)

    def _patiently(self, connection: sqlite3.Connection, sql: str, error: sqlite3.Error, patience: float) -> None:
        deadline = SYSTEM_CLOCK.monotonic() + patience
        delay = 0.0001
        while is_busy(error):
            left = deadline - SYSTEM_CLOCK.monotonic()
            if left <= 0:
                raise locked_error(self.path, patience) from error
            # Jitter, or two processes that commit in step would starve a third.
            time.sleep(min(left, delay * (0.5 + random.random())))
            delay = min(delay * 1.5, 0.002 if patience - left < 1 else 0.02)
            try:
                connection.execute(sql)
            except sqlite3.Error as again:
                error = again
            else:
                return
        raise translate(error, self.name) from error

    def before_fork(self) -> None:
        """Close every connection that is not inside a transaction; what stays open makes the child refuse the file."""
        self._held_for_fork = []
        unclosed = self.owner == get_ident() or not self.lock.acquire(timeout=_FORK_PATIENCE)
        if not unclosed:
            self._held_for_fork.append(self.lock)
            if self.connection is not None:
                self.connection.close()
                self.connection = None
        with self._readers_guard:
            readers = list(self._readers)
        for reader in readers:
            mine = getattr(self._local, "reader", None) is reader
            if (mine and reader.depth) or not reader.lock.acquire(timeout=_FORK_PATIENCE):
                unclosed = True
            else:
                self._held_for_fork.append(reader.lock)
                reader.close()
        if unclosed:
            self._forked_inside = True

    _forked_inside = False

    def after_fork_in_parent(self) -> None:
        """Go on; connections are opened again when they are needed."""
        for lock in self._held_for_fork:
            lock.release()
        self._held_for_fork = []
        self._forked_inside = False

    def after_fork_in_child(self) -> None:
        """Start over, or refuse when a connection came along."""
        if self._forked_inside:
            self._refusal = (
                f"this process was forked while a transaction on {self.name} was open, and cannot use the file"
            )
            _inherited.extend([self.connection, *self._readers])
            _inherited.extend(reader.connection for reader in self._readers)
        self._forked_inside = False
        self._held_for_fork = []
        self.connection = None
        self.owner = 0
        self.lock = threading.Lock()
        self._readers_guard = threading.Lock()
        self._readers = weakref.WeakSet()
        self._local = threading.local()
