"""Numbers over all executions."""

from __future__ import annotations

from typing import Any

from durable_core.query.executions import FLAGS
from durable_core.store.transaction import Transaction


def stats(tx: Transaction) -> dict[str, Any]:
    """How many executions there are by status, flag and workflow, how long they took, and what waits in each queue."""
    now = tx.now()
    statuses: dict[str, int] = {}
    workflows: dict[str, dict[str, Any]] = {}
    for workflow, status, number, spent, ended in tx.fetch(
        "SELECT workflow, status, COUNT(*), SUM(completed_at - started_at), COUNT(completed_at - started_at) "
        "FROM executions GROUP BY workflow, status ORDER BY workflow, status"
    ):
        statuses[status] = statuses.get(status, 0) + number
        one = workflows.setdefault(workflow, {"total": 0, "statuses": {}, "mean_ms": None, "_spent": 0, "_ended": 0})
        one["total"] += number
        one["statuses"][status] = number
        one["_spent"] += int(spent or 0)
        one["_ended"] += ended
    for one in workflows.values():
        spent, ended = one.pop("_spent"), one.pop("_ended")
        one["mean_ms"] = round(spent / ended / 1000, 3) if ended else None
    flags = {
        word: _number(tx, f"SELECT COUNT(*) FROM executions WHERE control & {bit} <> 0") for word, bit in FLAGS.items()
    }
    return {
        "total": sum(statuses.values()),
        "statuses": statuses,
        "flags": flags,
        "workflows": workflows,
        "open_waits": dict(
            tx.fetch("SELECT kind, COUNT(*) FROM waits WHERE status = 'open' AND kind <> 'member' GROUP BY kind")
        ),
        "completed_last_hour": _number(
            tx,
            "SELECT COUNT(*) FROM executions WHERE status = 'completed' AND completed_at >= :since",
            {"since": now - 3_600_000_000},
        ),
        "tokens": dict(tx.fetch("SELECT status, COUNT(*) FROM tokens GROUP BY status")),
    }


def _number(tx: Transaction, sql: str, params: dict[str, Any] | None = None) -> int:
    row = tx.fetch_one(sql, params or {})
    return 0 if row is None else int(row[0] or 0)
