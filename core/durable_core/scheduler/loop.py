"""The thread that sleeps until the next tick. Any number of them may run: the unique key of a tick decides (C-1)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from durable_core.clock import Clock
from durable_core.codec import load_tree
from durable_core.dsl.registry import Registry, registry
from durable_core.dsl.schedules import Schedule
from durable_core.dsl.workflow import Workflow
from durable_core.errors import DurableError, StoreError
from durable_core.executor.definitions import Definitions
from durable_core.failpoints import failpoint
from durable_core.scheduler.declared import declare, declared_of, revive, withdraw
from durable_core.scheduler.schedules import ScheduleRow, row_of, write
from durable_core.scheduler.ticks import Fired, failed, handle, missed_reason, release
from durable_core.store import schedule_statements as sql
from durable_core.store.commit import Committer
from durable_core.store.transaction import Transaction

__all__ = ["MAX_SLEEP_SECONDS", "Scheduler"]

log = logging.getLogger("durable_studio.scheduler")

MAX_SLEEP_SECONDS: Final = 2.0
"""Other processes may add an earlier tick, and clocks may be set: the next time is read again this often."""
BUFFERED_SLEEP_SECONDS: Final = 0.25
"""While a tick waits for its predecessor to end."""
SETTLE_SECONDS: Final = 1.0
"""How long code must be quiet before a schedule that it no longer declares is removed: @cron stands above @workflow,
so for a moment a workflow that is defined again has no schedules yet."""

OnStarted = Callable[[Fired], None]


class Scheduler:
    """Starts what is due. `start` it, `close` it; `run_due` does one round in the caller's own thread."""

    def __init__(
        self,
        committer: Committer,
        definitions: Definitions,
        clock: Clock,
        *,
        on_fired: OnStarted | None = None,
        workflows: Registry[Workflow] = registry,
    ) -> None:
        self.committer = committer
        self.database = committer.database
        self.definitions = definitions
        self.clock = clock
        self.workflows = workflows
        self._on_fired = on_fired
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._declared: dict[str, Schedule] = {}
        self._known: set[str] = set()
        self._quiet_since: float | None = None
        self._stop_listening: Callable[[], None] | None = None

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring declared schedules to the store, and begin to sleep and tick."""
        with self._lock:
            if self._thread is not None or self._stopping:
                return
            self._quiet_since = self.clock.monotonic()
            self._stop_listening = self.workflows.listen(self._code_changed)
            self._thread = threading.Thread(target=self._loop, name="durable-scheduler", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """No further ticks; one that is being recorded is finished."""
        with self._lock:
            self._stopping = True
            thread, self._thread = self._thread, None
        self._wake.set()
        if self._stop_listening is not None:
            self._stop_listening()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10.0)

    def wake(self) -> None:
        """A schedule changed, or the clock was moved."""
        self._wake.set()

    def _code_changed(self, change: Any) -> None:
        self._quiet_since = self.clock.monotonic()
        self._wake.set()

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                pause = self._round()
            except StoreError as error:
                log.warning("the scheduler cannot reach the store: %s", error)
                pause = 1.0
            except Exception:
                log.exception("a round of the scheduler failed")
                pause = 1.0
            if pause > 0 and not self._stopping:
                self._wake.wait(pause)

    def _round(self) -> float:
        """One round; how many seconds to sleep after it."""
        self.sync()
        if self._quiet_since is not None and self.clock.monotonic() - self._quiet_since >= SETTLE_SECONDS:
            self._quiet_since = None
            self._withdraw()
        self.run_due()
        with self.database.read() as tx:
            found = tx.fetch_one(sql.NEXT_TICK)
            buffered = tx.fetch(sql.BUFFERED)
        pause = BUFFERED_SLEEP_SECONDS if buffered else MAX_SLEEP_SECONDS
        if self._quiet_since is not None:
            pause = min(pause, SETTLE_SECONDS)
        due = None if found is None else found[0]
        if due is None:
            return pause
        left: float = (due - self.clock.now_us()) / 1_000_000
        # What is due and was left alone belongs to another scheduler, or to nobody yet.
        return min(pause, left) if left > 0 else pause

    # --- one round -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Bring schedules that code declares to the store, once for each change of the code."""
        workflows = self.workflows.workflows()
        declared = declared_of(workflows)
        names = {workflow.name for workflow in workflows}
        changed = [schedule for name, schedule in declared.items() if self._declared.get(name) != schedule]
        if not changed and names <= self._known:
            return
        now = self.clock.now_us()
        new = names - self._known

        def bring(tx: Transaction) -> None:
            declare(tx, changed, now)
            revive(tx, new, now)

        self.committer.run(bring)
        self._declared.update({schedule.name: schedule for schedule in changed})
        self._known |= names

    def _withdraw(self) -> None:
        workflows = self.workflows.workflows()
        with self.database.read() as tx:
            stored = [row_of(values) for each in workflows for values in _declared_rows(tx, each)]
        names = {each.name: {one.name for one in each.schedules} for each in workflows}
        if any(row.name not in names[row.workflow] for row in stored):
            for name in self.committer.run(partial(withdraw, workflows=workflows)):
                self._declared.pop(name, None)
                log.info("the schedule %r is no longer in the code and was removed", name)

    def next_due(self) -> int | None:
        """When the next tick is due, in microseconds since 1970: where a virtual clock stops next."""
        with self.database.read() as tx:
            found = tx.fetch_one(sql.NEXT_TICK)
        return None if found is None else found[0]

    def run_due(self) -> list[str]:
        """Fire what is due now and start buffered ticks whose predecessors ended; ids of what was started."""
        now = self.clock.now_us()
        with self.database.read() as tx:
            due = [row_of(values) for values in tx.fetch(sql.DUE, {"now": now})]
            buffered = [row_of(values) for values in tx.fetch(sql.BUFFERED)]
        started: list[str] = []
        for row in buffered:
            if row.workflow in self.workflows:
                started += self._one(row, release, now)
        for row in due:
            if row.workflow in self.workflows:
                started += self._one(row, handle, now)
            else:
                self._unknown(row, now)
        return started

    def _one(self, row: ScheduleRow, action: Callable[..., Fired], now: int) -> list[str]:
        started: list[str] = []
        more = True
        while more and not self._stopping:
            failpoint("before_tick", row.name)
            try:
                fired: Fired = self.committer.run(
                    partial(
                        action,
                        name=row.name,
                        now=now,
                        definitions=self.definitions,
                        workflow_of=self.workflows.get,
                    )
                )
            except StoreError:
                raise
            except DurableError as error:
                # Not a fault of one tick, which `fire` records: a cron or zone that this machine does not know.
                self._count_failure(row, now, str(error))
                break
            failpoint("after_tick", row.name)
            more = fired.more
            self._tell(fired)
            started += [execution_id for execution_id, _ in fired.started]
        return started

    def _tell(self, fired: Fired) -> None:
        for _, workflow in fired.started:
            self.definitions.remembered(workflow.definition)
        if self._on_fired is not None and (fired.started or fired.interrupts):
            self._on_fired(fired)

    def _unknown(self, row: ScheduleRow, now: int) -> None:
        """Its workflow is not imported here: leave it to a worker that knows it; a failure when there is none."""
        reason = missed_reason(row, now)
        if reason is None:
            return
        with self.database.read() as tx:
            if any(row.workflow in _names(text) for (text,) in tx.fetch(sql.WORKFLOWS_OF_WORKERS)):
                return
        self._count_failure(row, now, reason)

    def _count_failure(self, row: ScheduleRow, now: int, reason: str) -> None:
        def count(tx: Transaction) -> None:
            found = tx.fetch_one(
                sql.SCHEDULE + (sql.LOCK_UNLESS_TAKEN if tx.dialect == "postgres" else ""), {"name": row.name}
            )
            current = None if found is None else row_of(found)
            if current is None or not current.enabled or current.next_at != row.next_at:
                return
            counted = failed(tx, current, now, reason)
            if counted.enabled:
                write(tx, counted, now, next_at=_next(counted, now))

        self.committer.run(count)


def _next(row: ScheduleRow, now: int) -> int | None:
    try:
        return row.times.next_after(now)
    except DurableError:
        return now + 60_000_000  # unreadable here: looked at again in a minute


def _declared_rows(tx: Transaction, workflow: Workflow) -> list[Any]:
    return tx.fetch(sql.DECLARED_OF, {"workflow": workflow.name})


def _names(text: str | None) -> Iterable[str]:
    return load_tree(text) if text else ()
