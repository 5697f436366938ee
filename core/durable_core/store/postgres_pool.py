"""A few connections to PostgreSQL, lent one transaction at a time and replaced when they break (D-3)."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from durable_core.clock import SYSTEM_CLOCK
from durable_core.errors import StoreError, StoreUnreachableError
from durable_core.store import forks
from durable_core.store.postgres_connection import PostgresConnection
from durable_core.store.urls import StoreUrl

__all__ = ["READERS", "RECONNECT_SECONDS", "WRITERS", "PostgresPool"]

WRITERS: Final = 4
"""Commits that flush at once: more only queue in the server (measured: 2 to 4 fill one disk)."""
READERS: Final = 8
RECONNECT_SECONDS: Final = 10.0
"""How long a call waits for a server that restarts; a store that was never reached fails at once."""

# A child must not finalise the parent's connections: leaked on purpose.
_inherited: list[object] = []


class PostgresPool:
    """Lends connections; the most recently used first, because its prepared statements are warm."""

    def __init__(self, target: StoreUrl, busy_timeout: float) -> None:
        self.target = target
        self.busy_timeout = busy_timeout
        self.pids: set[int] = set()
        """Backends of this process, whose notifications are its own."""
        self._idle: deque[PostgresConnection] = deque()
        self._reached = False
        self._closed = False
        self._reset_slots()
        forks.register(self)

    def _reset_slots(self) -> None:
        self._writers = threading.Semaphore(WRITERS)
        self._readers = threading.Semaphore(READERS)

    def take(self, *, write: bool) -> PostgresConnection:
        """A living connection, waiting for a free place and for a server that restarts."""
        slots = self._writers if write else self._readers
        if not slots.acquire(False) and not slots.acquire(timeout=self.busy_timeout):
            raise StoreUnreachableError(
                f"all {WRITERS if write else READERS} connections of this process to {self.target.safe_url} were busy "
                f"for {self.busy_timeout:g} s",
                hint="Keep transactions short; SELECT * FROM pg_stat_activity shows what they wait for.",
            )
        try:
            return self.connection()
        except BaseException:
            slots.release()
            raise

    def try_take_writer(self) -> PostgresConnection | None:
        """A living connection for a write, or None when every place is taken."""
        if not self._writers.acquire(False):
            return None
        try:
            return self.connection()
        except BaseException:
            self._writers.release()
            raise

    def connection(self) -> PostgresConnection:
        """An idle connection that lives, else a new one; keeps the place of a caller whose connection broke."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect()
            if connection.alive():
                return connection
            self.discard(connection)

    def give_back(self, connection: PostgresConnection, *, write: bool) -> None:
        """Take a connection back; one that broke, or is still inside a transaction, is closed."""
        if self._closed or connection.broken or connection.in_transaction():
            self.discard(connection)
        else:
            self._idle.append(connection)
        (self._writers if write else self._readers).release()

    def discard(self, connection: PostgresConnection) -> None:
        """Close a connection for good."""
        self.pids.discard(connection.pid)
        connection.close()

    def close(self) -> None:
        """Close what is idle now and what comes back later."""
        self._closed = True
        while self._idle:
            self.discard(self._idle.pop())

    def _connect(self) -> PostgresConnection:
        if self._closed:
            raise StoreError(f"the store {self.target.safe_url} is closed", hint="Open it again with open_database().")
        deadline = SYSTEM_CLOCK.monotonic() + RECONNECT_SECONDS
        delay = 0.05
        while True:
            try:
                connection = PostgresConnection(self.target)
            except StoreUnreachableError:
                if not self._reached or SYSTEM_CLOCK.monotonic() + delay >= deadline:
                    raise
                time.sleep(delay)
                delay = min(delay * 2, 1.0)
            else:
                self._reached = True
                self.pids.add(connection.pid)
                return connection

    def before_fork(self) -> None:
        """Nothing: libpq keeps no locks."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Forget the parent's connections without a word to the server: the socket is shared."""
        _inherited.extend(self._idle)
        self._idle = deque()
        self.pids = set()
        self._reset_slots()
