"""Parking an execution that cannot go on as it is, and letting a parked one go on."""

from __future__ import annotations

from typing import Any

from durable_core.codec import dump_tree
from durable_core.executor.settlement import Settlement
from durable_core.failpoints import failpoint
from durable_core.status import ExecutionStatus, TokenStatus
from durable_core.store import statements as sql
from durable_core.store.control import BLOCKED, PAUSED

__all__ = ["journal", "mark_blocked", "release", "set_control"]


def journal(settlement: Settlement, kind: str, detail: dict[str, Any]) -> None:
    """Write down what happened to the execution besides its steps."""
    settlement.tx.execute(
        sql.INSERT_JOURNAL,
        {
            "execution": settlement.execution_id,
            "kind": kind,
            "detail": dump_tree({key: value for key, value in detail.items() if value is not None}),
            "now": settlement.now,
        },
    )
    failpoint("inside_control", settlement.execution_id)


def set_control(settlement: Settlement, reason: str | None) -> None:
    """Write the flags that stand in the way of the fast path, and why they do."""
    settlement.reason = reason
    settlement.tx.execute(
        sql.SET_CONTROL,
        {
            "execution": settlement.execution_id,
            "status": settlement.status,
            "control": settlement.control,
            "cancel_mode": settlement.cancel_mode,
            "reason": reason,
            "error": settlement.error,
        },
    )
    settlement.revision += 1


def mark_blocked(settlement: Settlement, reason: str, fingerprint: str, error: Any = None) -> None:
    """Park it: nothing of it runs, and the reason stands where every screen shows it.

    `error` is a drift's; the same body, known by `fingerprint`, would only drift again.
    """
    settlement.control |= BLOCKED
    settlement.load_all()
    settlement.dirty.update(key for key, row in settlement.rows.items() if row["status"] == "ready")
    if error is not None:
        settlement.error = dump_tree(error)
    set_control(settlement, reason)
    drift = True if error is not None else None
    journal(settlement, "blocked", {"reason": reason, "bodies": fingerprint, "drift": drift})


def release(settlement: Settlement) -> None:
    """Take away what keeps the execution from going on: its parked tokens are ready again."""
    if settlement.control & BLOCKED and settlement.status != ExecutionStatus.COMPENSATING:
        settlement.error = None
    settlement.control &= ~(PAUSED | BLOCKED)
    settlement.load_all()
    for key, row in settlement.rows.items():
        if row["status"] == TokenStatus.PAUSED:
            settlement.state[key] = settlement.state[key]._replace(status=TokenStatus.READY)
            row.update(status="ready", available_at=settlement.now)
            settlement.dirty.add(key)
    set_control(settlement, None)
