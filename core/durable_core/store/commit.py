"""Group commit: units of work that are ready at the same moment share one durable commit.

An idle store commits at once in the caller's own thread. While a commit is under way, whatever arrives waits, and the
next commit takes all of it: no timer, no added delay.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, TypeAlias

from durable_core.errors import StoreError
from durable_core.store.database import Database
from durable_core.store.transaction import ContentionError, Transaction

log = logging.getLogger("durable_studio.store")

GroupWriter: TypeAlias = Callable[[Transaction, Sequence[Any], bool], None]
"""Writes units of one kind; only where it is told that it is alone may a statement be a transaction of its own, since
what one writer has written must not stand when another of the same commit fails."""

GROUP_LIMIT = 256
"""Units in one commit: bounds how long the others wait for it."""

CONTENTION_TRIES = 3
"""How often a unit waits out `lock_timeout` (10 s on PostgreSQL) before its caller is told: half a minute in all."""


class Unit:
    """One piece of work inside a write transaction, and what came of it."""

    safe: ClassVar[bool] = False
    """True when `write` leaves nothing behind if it raises, so that it needs no savepoint."""

    # One is made for every step: what stands here is set where there is something to say.
    result: Any = None
    error: BaseException | None = None
    then: Callable[[Any], None] | None = None
    """Called after the commit (or its failure), in whichever thread made it; must be quick and not raise."""
    finished: threading.Event | None = None

    def write(self, tx: Transaction) -> Any:
        """Do the work. What it returns is the unit's result; what it raises is the unit's error."""
        raise NotImplementedError

    def write_alone(self, database: Database) -> bool:
        """Do the work as a commit of its own, at once; False, and nothing has happened, where that cannot be."""
        return False

    def group_writer(self) -> GroupWriter | None:
        """What writes many units like this one together; None when each is written by itself."""
        return None

    def value(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class Call(Unit):
    """A function of the transaction as a unit."""

    def __init__(self, function: Callable[[Transaction], Any]) -> None:
        self.function = function

    def write(self, tx: Transaction) -> Any:
        return self.function(tx)


class Committer:
    """Brings units to the store, many in one commit."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.groups = 0
        self.units = 0
        self._pending: deque[Unit] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        # PostgreSQL could commit on more connections at once. One for callers and one for this thread keep the groups
        # large and neither idle. SQLite has one writer, and its own lock.
        self._inline = threading.Lock() if database.writers > 1 else None

    def run(self, function: Callable[[Transaction], Any]) -> Any:
        """Run a function inside a (shared) durable transaction and return what it returned."""
        return self.commit(Call(function))

    def commit(self, unit: Unit) -> Any:
        """Bring one unit to the store and return its result; blocks until it is durable."""
        if not self.try_commit((unit,)):
            unit.finished = threading.Event()
            self.enqueue((unit,))
            unit.finished.wait()
        return unit.value()

    def commit_all(self, units: Sequence[Unit]) -> None:
        """Bring many units to the store, in few commits; each has its own result or error afterwards."""
        if not self.try_commit(units):
            for unit in units:
                unit.finished = threading.Event()
            self.enqueue(units)
            for unit in units:
                assert unit.finished is not None
                unit.finished.wait()

    def submit(self, units: Sequence[Unit]) -> bool:
        """Bring units to the store: True when that is done already, False when `then` will be called."""
        if self.try_commit(units):
            return True
        self.enqueue(units)
        return False

    def try_commit(self, units: Sequence[Unit]) -> bool:
        """Commit at once in this thread, with all that waits; False when another commit is under way."""
        if len(units) == 1 and not self._pending and units[0].write_alone(self.database):
            self.groups += 1
            self.units += 1
            if self._pending:
                self._ensure_thread()
            return True
        inline = self._inline
        if inline is not None and not inline.acquire(blocking=False):
            return False
        try:
            transaction = self.database.try_write()
            if transaction is None:
                return False
            group = self._run_group(transaction, units)
        finally:
            if inline is not None:
                inline.release()
        for unit in group[len(units) :]:
            self._tell(unit)
        if self._pending:
            self._ensure_thread()
        return True

    def enqueue(self, units: Sequence[Unit]) -> None:
        """Leave units to the committing thread; `then` is called for each."""
        with self._wake:
            if self._closed:
                raise StoreError("The engine is closed.", hint="Open a new Engine.")
            self._pending.extend(units)
            self._ensure_thread_locked()
            self._wake.notify()

    def _take(self) -> list[Unit]:
        taken: list[Unit] = []
        pending = self._pending
        while pending and len(taken) < GROUP_LIMIT:
            try:
                taken.append(pending.popleft())
            except IndexError:  # another committer was quicker
                break
        return taken

    def _run_group(
        self, transaction: AbstractContextManager[Transaction], units: Sequence[Unit], *, alone: bool = False
    ) -> list[Unit]:
        """One transaction for `units` and (unless `alone`) whatever waits by the time it is open; never raises."""
        group = list(units)
        try:
            with transaction as tx:
                if self._pending and not alone:
                    group += self._take()
                self._write_all(tx, group)
        except Exception as error:
            if not group:
                self._failed_to_open(error)
            elif len(group) > 1 or (not alone and isinstance(error, ContentionError)):
                self._one_by_one(group)
            else:
                group[0].error = group[0].error or error
        else:
            self.groups += 1
            self.units += len(group)
        return group

    def _write_all(self, tx: Transaction, group: Sequence[Unit]) -> None:
        if len(group) == 1:
            (unit,) = group
            writer = unit.group_writer()
            if writer is None:
                self._write(tx, unit)
            else:
                writer(tx, group, True)
            return
        alike: dict[GroupWriter, list[Unit]] = {}
        for unit in group:
            writer = unit.group_writer()
            if writer is None:
                self._write(tx, unit)
            else:
                alike.setdefault(writer, []).append(unit)
        # last, so that what a group leaves behind (a finished token) is still there for the units beside it
        for writer, units in alike.items():
            writer(tx, units, len(alike) == 1)

    def _write(self, tx: Transaction, unit: Unit) -> None:
        if unit.safe:  # an error ends the transaction; `_one_by_one` then finds out whose it was
            unit.result = unit.write(tx)
            return
        for last in (False, False, False, True):
            try:
                with tx.savepoint():
                    unit.result = unit.write(tx)
            except ContentionError as error:  # a deadlock with another process: the work is simply done again
                unit.error = error
                if not last:
                    continue
            except Exception as error:
                unit.error = error
            else:
                unit.error = None
            return

    def _failed_to_open(self, error: Exception) -> None:
        """No transaction could be had: those that wait for one are told why."""
        for unit in self._take():
            unit.error = error
            self._tell(unit)

    def _one_by_one(self, group: list[Unit]) -> None:
        """A shared commit failed: each unit gets its own, so that a faulty one leaves the others alone (S-1).

        What another process keeps locked (it may be frozen inside its commit) is waited for again before that is told.
        """
        for unit in group:
            for _ in range(CONTENTION_TRIES):
                unit.error = None
                self._run_group(self.database.write(), [unit], alone=True)  # others would never be told
                if not isinstance(unit.error, ContentionError):
                    break

    def _tell(self, unit: Unit) -> None:
        if unit.finished is not None:
            unit.finished.set()
        if unit.then is not None:
            try:
                unit.then(unit)
            except Exception:  # the others of the group must be told, and this thread goes on
                log.exception("what follows a commit failed")

    def _ensure_thread(self) -> None:
        with self._wake:
            self._ensure_thread_locked()
            self._wake.notify()

    def _ensure_thread_locked(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._loop, name="durable-committer", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._pending:
                    if self._closed:
                        return
                    self._wake.wait()
            group = self._run_group(self.database.write(), ())
            for unit in group:
                self._tell(unit)

    def close(self) -> None:
        """Commit what waits, then end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=30.0)
