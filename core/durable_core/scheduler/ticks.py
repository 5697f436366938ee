"""Ticks: which are due, which missed ones are made up for, and one execution for each (C-1, C-3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from durable_core.clock import iso, seconds_to_us
from durable_core.codec import decode, encode
from durable_core.dsl.workflow import Workflow
from durable_core.errors import DurableError, StoreError
from durable_core.executor.control import stop_child
from durable_core.executor.definitions import Definitions
from durable_core.executor.settlement import Settled
from durable_core.executor.start import Beginning, begin
from durable_core.failpoints import failpoint
from durable_core.ids import new_execution_id
from durable_core.scheduler.schedules import ScheduleRow, row_of, stopped, write
from durable_core.store import schedule_statements as sql
from durable_core.store.transaction import ContentionError, Transaction

__all__ = ["BATCH", "GRACE_SECONDS", "MAX_FAILURES", "Fired", "begin_now", "due_ticks", "fire", "handle", "release"]

GRACE_SECONDS: Final = 60.0
"""A tick handled this late was not missed: the scheduler was only slow."""
MAX_FAILURES: Final = 5
"""Ticks in a row that could not start anything, after which a schedule is disabled (C-3)."""
BATCH: Final = 100
"""Ticks of one schedule in one transaction."""

WorkflowOf = Callable[[str], Workflow]


@dataclass(slots=True)
class Fired:
    """What became of the due ticks of one schedule."""

    started: list[tuple[str, Workflow]] = field(default_factory=list)
    """Ids of new executions with their workflows."""
    interrupts: list[str] = field(default_factory=list)
    """Ids of tokens whose bodies are asked to stop, for `cancel_other`."""
    more: bool = False
    """Further ticks are due."""


def due_ticks(row: ScheduleRow, now: int) -> tuple[list[int], int | None]:
    """The ticks to handle now, oldest first, and when the schedule is due again; missed ones follow `catch_up`."""
    times, first = row.times, row.next_at
    if first is None or first > now:
        return [], first
    grace = now - seconds_to_us(GRACE_SECONDS)
    since = grace
    if row.catch_up == "all":
        since = first if row.catch_up_window is None else now - seconds_to_us(row.catch_up_window)
    found = list(islice(times.between(max(first, since) - 1, now), BATCH + 1))
    if len(found) > BATCH:
        return found[:BATCH], found[BATCH]
    if not found and row.catch_up == "latest":
        latest = times.latest(first - 1, now)
        window = row.catch_up_window
        if latest is not None and (window is None or latest >= now - seconds_to_us(window)):
            found = [latest]
    return found, times.next_after(now)


def handle(tx: Transaction, name: str, now: int, definitions: Definitions, workflow_of: WorkflowOf) -> Fired:
    """Fire what is due of one schedule; nothing when another scheduler does it at this moment."""
    fired = Fired()
    lock = sql.LOCK_UNLESS_TAKEN if tx.dialect == "postgres" else ""
    found = tx.fetch_one(sql.SCHEDULE + lock, {"name": name})
    if found is None:
        return fired
    row = row_of(found)
    if not row.enabled or row.next_at is None or row.next_at > now:
        return fired
    ticks, next_at = due_ticks(row, now)
    # Moved on first: even if a tick below disables the schedule, no later write brings an old time back.
    row = write(tx, row, now, next_at=next_at)
    for tick in ticks:
        row = fire(tx, row, tick, now, definitions, workflow_of, fired)
        if not row.enabled:
            break
    fired.more = row.enabled == 1 and row.next_at is not None and row.next_at <= now
    failpoint("inside_tick", name)
    return fired


def fire(
    tx: Transaction,
    row: ScheduleRow,
    tick: int,
    now: int,
    definitions: Definitions,
    workflow_of: WorkflowOf,
    fired: Fired,
) -> ScheduleRow:
    """One tick: at most one execution, by the unique key of (schedule, tick), in the transaction of its rows (C-1)."""
    execution_id = new_execution_id()
    key = {"name": row.name, "tick": tick}
    if not tx.execute(sql.INSERT_TICK, {**key, "execution": execution_id, "outcome": "started", "now": now}):
        return row
    row = write(tx, row, now, last_tick_at=tick)
    active = _active(tx, row) if row.overlap != "allow" else []
    if active:
        match row.overlap:
            case "skip":
                tx.execute(sql.SET_TICK, {**key, "execution": None, "outcome": "skipped"})
                return row
            case "buffer_one":
                outcome = "skipped" if row.buffered else "buffered"
                tx.execute(sql.SET_TICK, {**key, "execution": None, "outcome": outcome})
                return write(tx, row, now, buffered=1)
            case _:
                _cancel(tx, active, definitions, row, fired)
    error = _begin(tx, row, tick, execution_id, definitions, workflow_of, fired)
    if error is None:
        return write(tx, row, now, failures=0, last_error=None, last_execution_id=execution_id)
    tx.execute(sql.SET_TICK, {**key, "execution": None, "outcome": "failed"})
    return failed(tx, row, now, error)


def failed(tx: Transaction, row: ScheduleRow, now: int, error: str) -> ScheduleRow:
    """Count a tick that started nothing; the fifth in a row disables the schedule, and says why."""
    failures = row.failures + 1
    if failures < MAX_FAILURES:
        return write(tx, row, now, failures=failures, last_error=error)
    reason = f"{failures} ticks in a row could not start: {error}"
    return stopped(tx, row, now, failures=failures, last_error=error, disabled_reason=reason)


def release(tx: Transaction, name: str, now: int, definitions: Definitions, workflow_of: WorkflowOf) -> Fired:
    """Start the tick that waits for its predecessor, once that has ended."""
    fired = Fired()
    lock = sql.LOCK_UNLESS_TAKEN if tx.dialect == "postgres" else ""
    found = tx.fetch_one(sql.SCHEDULE + lock, {"name": name})
    row = None if found is None else row_of(found)
    if row is None or not row.enabled or not row.buffered or _active(tx, row):
        return fired
    waiting = tx.fetch_one(sql.OLDEST_BUFFERED, {"name": name})
    row = write(tx, row, now, buffered=0)
    if waiting is None:
        return fired
    execution_id = new_execution_id()
    key = {"name": name, "tick": waiting[0]}
    if tx.execute(sql.START_BUFFERED, {**key, "execution": execution_id}):
        error = _begin(tx, row, waiting[0], execution_id, definitions, workflow_of, fired)
        if error is None:
            write(tx, row, now, failures=0, last_error=None, last_execution_id=execution_id)
        else:
            tx.execute(sql.SET_TICK, {**key, "execution": None, "outcome": "failed"})
            failed(tx, row, now, error)
    return fired


def begin_now(
    tx: Transaction, row: ScheduleRow, workflow: Workflow, input: Any, now: int, definitions: Definitions
) -> str:
    """Start its workflow outside its ticks, whatever overlaps; the next tick stays where it is."""
    beginning = _beginning(row, workflow, new_execution_id(), input)
    begin(tx, beginning, definitions, None)
    write(tx, row, now, last_execution_id=beginning.execution_id)
    return beginning.execution_id


def _active(tx: Transaction, row: ScheduleRow) -> list[str]:
    found = tx.fetch(sql.ACTIVE, {"name": row.name, "last": row.last_execution_id or ""})
    return [execution_id for (execution_id,) in found]


def _cancel(tx: Transaction, active: list[str], definitions: Definitions, row: ScheduleRow, fired: Fired) -> None:
    settled = Settled()
    for execution_id in active:
        stop_child(tx, execution_id, definitions, settled, reason=f"schedule {row.name!r} began its next run")
    fired.interrupts.extend(settled.interrupts)


def _begin(
    tx: Transaction,
    row: ScheduleRow,
    tick: int,
    execution_id: str,
    definitions: Definitions,
    workflow_of: WorkflowOf,
    fired: Fired,
) -> str | None:
    """Write the execution's rows; what kept it from starting, in words, or None."""
    try:
        workflow = workflow_of(row.workflow)
        with tx.savepoint():
            given = {} if row.input is None else decode(row.encoded_input)
            begin(tx, _beginning(row, workflow, execution_id, given, tick), definitions, None)
    except (ContentionError, StoreError):
        raise  # the store is in trouble, not the schedule: the whole transaction is done again
    except DurableError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # a validator of the user's model may raise anything
        return f"{type(error).__name__}: {error!s:.500}"
    fired.started.append((execution_id, workflow))
    return None


def _beginning(
    row: ScheduleRow, workflow: Workflow, execution_id: str, input: Any, tick: int | None = None
) -> Beginning:
    values = workflow.validate_input({} if input is None else input)
    return Beginning(
        execution_id=execution_id,
        definition=workflow.definition,
        fingerprint=workflow.fingerprint,
        input=encode(values),
        queue=row.queue,
        tags=(f"schedule:{row.name}",),
        scheduled_for=tick,
    )


def missed_reason(row: ScheduleRow, now: int) -> str | None:
    """What to tell of a schedule whose workflow nobody knows: None while somebody who does may still come."""
    if row.next_at is None or now - row.next_at <= seconds_to_us(GRACE_SECONDS):
        return None
    return (
        f"no running worker knows the workflow {row.workflow!r} (tick of {iso(row.next_at)}); "
        "run a worker that imports it"
    )
