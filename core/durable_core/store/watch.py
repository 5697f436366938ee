"""Notices what other processes commit: the directory of a SQLite file, NOTIFY on PostgreSQL."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from durable_core.errors import StoreError
from durable_core.store.database import Database
from durable_core.store.transaction import Transaction

if TYPE_CHECKING:
    from durable_core.store.postgres import PostgresDatabase
    from durable_core.store.sqlite import SqliteDatabase

__all__ = ["CHANNEL", "ChangeWatch", "Look", "announce", "notify", "watch"]

CHANNEL: Final = "durable"
_LONGEST_PAYLOAD: Final = 7_900  # PostgreSQL refuses 8,000 bytes and more
_POLL_SECONDS: Final = 0.05
_LOOKS: Final = (0.0, *[0.001] * 10, *[0.003] * 20)
"""Pauses before each look at the version after an event, in seconds: 70 ms in all, well beyond a slow fsync."""
_STEP_MS: Final = 2
"""How often a watch looks for events: what an idle worker takes of the processor, and half of the delay."""
_GATHER_MS: Final = 20
_SAFETY_MS: Final = 500
_BUSY: Final = 200
"""Own commits a second above which there is no watch."""
_BUSY_SECONDS: Final = 0.01
_RATE_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0
_THREAD: Final = "durable-watch"
_log = logging.getLogger("durable_studio.store")


def notify(tx: Transaction, payload: str) -> None:
    """Tell watching processes, once this transaction commits; on SQLite the commit itself tells them."""
    if tx.dialect == "postgres":
        if len(payload.encode()) > _LONGEST_PAYLOAD:
            payload = ""  # a hint too long to send still says: look again
        tx.fetch("SELECT pg_notify(:channel, :payload)", {"channel": CHANNEL, "payload": payload})


def announce(database: Database, payload: str) -> None:
    """Tell watching processes at once, in a commit of its own that does not wait for the disk: a hint may be lost."""
    database.autocommit_fetch(
        "SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, :payload)",
        {"channel": CHANNEL, "payload": payload},
    )


def watch(database: Database, callback: Callable[[str | None], None], stop: threading.Event) -> ChangeWatch:
    """Start a watch that ends when ``stop`` is set."""
    started = ChangeWatch(database, callback, stop)
    started.start()
    return started


class Look:
    """Whether anybody else has committed since the last look."""

    def __init__(self, database: SqliteDatabase, stop: threading.Event) -> None:
        self.database = database
        self._stop = stop
        self.fresh = False
        """Whether the last look saw the present; while a thread of this process writes, looks see the past."""
        self._seen = self._version()

    def finds_others(self) -> bool:
        version = self._version()
        if version is None or version == self._seen:
            return False
        self._seen = version
        return True

    def _version(self) -> int | None:
        try:
            version, self.fresh = self.database.file.data_version()
        except StoreError as error:
            self.fresh = False
            if not self._stop.is_set():
                _log.warning("watching %s: %s", self.database.file.path, error)
                self._stop.wait(_RETRY_SECONDS)
            return None
        return version


class _Rate:
    """How many commits a second this process makes."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._since, self._commits = monotonic(), database.commits
        self._last = 0.0

    def a_second(self) -> float:
        """As it was over 50 ms or more."""
        now = monotonic()
        if now - self._since >= _RATE_SECONDS:
            commits = self._database.commits
            self._last = (commits - self._commits) / (now - self._since)
            self._since, self._commits = now, commits
        return self._last


class ChangeWatch:
    """Calls back, on a thread of its own, after commits of other processes.

    The callback gets what ``notify`` sent, or None for "something changed, look again": always so on SQLite, and after
    a lost connection on PostgreSQL. Commits of this process are not reported.
    """

    def __init__(
        self, database: Database, callback: Callable[[str | None], None], stop: threading.Event | None = None
    ) -> None:
        self._database = database
        self._callback = callback
        self._stop = stop or threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)

    def start(self) -> None:
        """Begin to watch; commits made after ``ready`` is set are noticed."""
        self._thread.start()

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until commits are noticed."""
        return self._ready.wait(timeout)

    def stop(self, timeout: float | None = 2.0) -> None:
        """End the watch and wait for its thread."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        if self._database.dialect == "postgres":
            self._listen(self._database)  # type: ignore[arg-type]
        else:
            self._watch_file(self._database)  # type: ignore[arg-type]

    def _tell(self, payload: str | None) -> None:
        try:
            self._callback(payload)
        except Exception:
            _log.exception("a callback for changes of the store failed; the watch goes on")

    def _watch_file(self, database: SqliteDatabase) -> None:
        from durable_core.store.sqlite_memory import MemoryDatabase

        if isinstance(database, MemoryDatabase):
            self._ready.set()
            self._stop.wait()
            return
        look, rate = Look(database, self._stop), _Rate(database)
        while not self._stop.is_set():
            self._while_quiet(look, rate)
            self._while_busy(look, rate)

    def _while_quiet(self, look: Look, rate: _Rate) -> None:
        """Follow the events of the file's directory, until most of them come from commits of this process."""
        database = look.database
        for changed in self._wake_ups(database.file.path):
            self._ready.set()
            # The log is written before the commit counts, and what makes it count is a mapped page no watch can see:
            # a look right after the event may come too early. There is one writer at a time: once this process has
            # committed again (twice: a commit is counted a moment after it is made), the event's own commit is over,
            # and a look that sees the present sees it.
            commits = database.commits
            for pause in _LOOKS:
                if self._stop.wait(pause):
                    return
                over = not changed or database.commits - commits > 1
                if look.finds_others():
                    self._tell(None)
                    break
                if over and look.fresh:
                    break
            if rate.a_second() > _BUSY:
                return

    def _while_busy(self, look: Look, rate: _Rate) -> None:
        """Look now and then: a watch would wake at each write of each own commit, and cost a step a third of its
        time."""
        while not self._stop.wait(_BUSY_SECONDS):
            if look.finds_others():
                self._tell(None)
            if rate.a_second() < _BUSY / 2:
                return

    def _wake_ups(self, path: Path) -> Iterator[bool]:
        """False once the watch stands, True after events, False again now and then, in case one was lost."""
        try:
            from watchfiles._rust_notify import RustNotify

            # The directory, because a watch on the -wal file goes deaf when the last connection deletes it.
            with RustNotify([str(path.parent)], False, False, 0, False, False) as events:
                yield False
                while not self._stop.is_set():
                    found = events.watch(_GATHER_MS, _STEP_MS, _SAFETY_MS, self._stop)
                    if isinstance(found, set):
                        if any(Path(changed).name.startswith(path.name) for _, changed in found):
                            yield True
                    elif found == "timeout":
                        yield False
        except (ImportError, OSError, RuntimeError) as error:
            _log.info("watching %s by polling: %s", path, error)
        while not self._stop.wait(_POLL_SECONDS):
            yield False

    def _listen(self, database: PostgresDatabase) -> None:
        import psycopg

        from durable_core.store.postgres_connection import connect_driver

        first = True
        while not self._stop.is_set():
            try:
                with connect_driver(database.target) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._ready.set()
                    if not first:
                        self._tell(None)  # whatever was sent meanwhile is lost
                    first = False
                    while not self._stop.is_set():
                        for sent in connection.notifies(timeout=0.2):
                            if sent.pid not in database.pool.pids:
                                self._tell(sent.payload or None)
                            if self._stop.is_set():
                                break
            except (StoreError, psycopg.Error) as error:
                first = False
                if not self._stop.is_set():
                    _log.warning("listening on %s: %s", database.safe_url, error)
                    self._stop.wait(_RETRY_SECONDS)
