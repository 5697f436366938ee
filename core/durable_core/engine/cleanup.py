"""Removes executions that ended long ago, with everything that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from durable_core.clock import seconds_to_us
from durable_core.durations import to_seconds
from durable_core.engine.surface import Surface
from durable_core.errors import InvalidStateError
from durable_core.status import TERMINAL
from durable_core.store.transaction import Transaction

BATCH: Final = 200
"""Executions in one transaction: bounds how long everybody else waits for the write lock."""

_TABLES: Final = ("steps", "waits", "logs", "journal", "tokens", "events", "event_deliveries")

# Neither a child whose parent still runs (it shows the child) nor a parent whose child still runs (it reports to it).
_OLD: Final = """
status IN ({statuses}) AND completed_at < :before
AND NOT EXISTS (SELECT 1 FROM executions p WHERE p.id = executions.parent_id AND p.completed_at IS NULL)
AND NOT EXISTS (SELECT 1 FROM executions c WHERE c.parent_id = executions.id AND c.completed_at IS NULL)"""

# An id is remembered, and an event kept, at least as long as asked for; the tick of what still runs tells its schedule.
_RECORDS: Final = (
    "DELETE FROM workers WHERE status <> 'running' AND heartbeat_at < :before",
    "DELETE FROM events WHERE execution_id IS NULL AND created_at < :before "
    "AND (keep_until IS NULL OR keep_until <= :now)",
    "DELETE FROM event_deliveries WHERE created_at < :before "
    "AND NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = event_deliveries.event_seq)",
    "DELETE FROM schedule_ticks WHERE tick_at < :before AND outcome <> 'buffered' AND NOT EXISTS "
    "(SELECT 1 FROM executions e WHERE e.id = schedule_ticks.execution_id AND e.completed_at IS NULL)",
)


def cleanup(
    engine: Surface, older_than: float | timedelta, status: str | Sequence[str] | None = None, dry_run: bool = False
) -> int:
    """How many executions that ended longer ago than that were removed, or would be with `dry_run`."""
    age = seconds_to_us(to_seconds(older_than, "older_than"))
    statuses = _statuses(status)
    with engine.database.read() as tx:
        before = tx.now() - age
        condition, params = _condition(statuses, before)
        if dry_run:
            row = tx.fetch_one(f"SELECT COUNT(*) FROM executions WHERE {condition}", params)
            return 0 if row is None else int(row[0])
    removed = 0
    while True:
        batch: int = engine.committer.run(lambda tx: _remove(tx, condition, params))
        removed += batch
        if batch < BATCH:
            break
    if status is None:
        engine.committer.run(lambda tx: _remove_records(tx, before))
    return removed


def _remove_records(tx: Transaction, before: int) -> None:
    """What belongs to no execution: workers that stopped, events to all, and ticks; all as old as that."""
    for statement in _RECORDS:
        tx.execute(statement, {"before": before} if ":now" not in statement else {"before": before, "now": tx.now()})


def _remove(tx: Transaction, condition: str, params: dict[str, Any]) -> int:
    # The outer condition is looked at again once the row is locked: a `retry` in between keeps its execution.
    gone = tx.fetch(
        f"DELETE FROM executions WHERE {condition} AND id IN "
        f"(SELECT id FROM executions WHERE {condition} ORDER BY completed_at LIMIT {BATCH}) RETURNING id",
        params,
    )
    ids = [{"id": row[0]} for row in gone]
    for table in _TABLES:
        tx.execute_many(f"DELETE FROM {table} WHERE execution_id = :id", ids)
    return len(ids)


def _condition(statuses: Sequence[str], before: int) -> tuple[str, dict[str, Any]]:
    names = ", ".join(f":status{index}" for index in range(len(statuses)))
    params: dict[str, Any] = {f"status{index}": status for index, status in enumerate(statuses)}
    return _OLD.format(statuses=names), {**params, "before": before}


def _statuses(status: str | Sequence[str] | None) -> list[str]:
    ended = sorted(each.value for each in TERMINAL)
    chosen = ended if status is None else [status] if isinstance(status, str) else list(status)
    for each in chosen:
        if each not in ended:
            raise InvalidStateError(
                f"Only executions that have ended can be removed; {each!r} is no such status.",
                state=str(each),
                allowed=ended,
            )
    return chosen or ended
