"""Events: delivered once to each matching open wait, kept in an inbox when addressed and early (W-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from durable_core.codec import dump_tree, load_tree
from durable_core.errors import ExecutionNotFoundError, InvalidStateError
from durable_core.ids import check_id, check_name
from durable_core.limits import LIMITS, check_limit
from durable_core.status import TERMINAL, ExecutionStatus
from durable_core.store import wait_statements as sql
from durable_core.store.transaction import Transaction
from durable_core.wait.filters import matches
from durable_core.wait.rows import row_of, satisfy


@dataclass(frozen=True, slots=True)
class Sent:
    """What a send came to."""

    satisfied: int
    executions: tuple[str, ...] = ()


def send(
    tx: Transaction,
    name: str,
    payload: Any,
    *,
    execution_id: str | None = None,
    event_id: str | None = None,
    keep_for: float | None = None,
) -> Sent:
    """Send an event with an encoded payload; the same `event_id` sends once."""
    check_name(name, "event name")
    text = None if payload is None else dump_tree(payload)
    check_limit(len((text or "").encode()), LIMITS.event_bytes, f"event {name!r}")
    if event_id is not None:
        check_id(event_id, "event id")
        if tx.dialect == "postgres":
            tx.fetch(sql.LOCK_EVENT, {"event": f"id {event_id}"})
        known = tx.fetch_one(sql.EVENT_BY_ID, {"event_id": event_id})
        if known is not None:
            return Sent(int(known[0]))
    if execution_id is not None:
        _must_be_open(tx, execution_id)
    elif keep_for is not None and tx.dialect == "postgres":
        tx.fetch(sql.LOCK_EVENT, {"event": name})
    statement = sql.OPEN_FOR_EVENT if execution_id is None else sql.OPEN_FOR_EVENT_OF
    rows = [row_of(values) for values in tx.fetch(statement, {"event": name, "execution": execution_id})]
    reached: list[str] = []
    for row in rows:
        where = load_tree(row["spec"]).get("where") if row["spec"] else None
        if matches(where, payload) and satisfy(tx, row, text):
            reached.append(row["execution_id"])
    kept = keep_for is not None and execution_id is None
    if kept or event_id is not None or (execution_id is not None and not reached):
        now = tx.now()
        (seq,) = tx.fetch(
            sql.INSERT_EVENT,
            {
                "event_id": event_id,
                "name": name,
                "execution": execution_id,
                "payload": text,
                "satisfied": len(reached),
                "keep_until": now + int((keep_for or 0) * 1_000_000) if kept else None,
                "now": now,
            },
        )[0]
        for each in dict.fromkeys(reached):
            tx.execute(sql.DELIVERED, {"seq": seq, "execution": each, "now": now})
    return Sent(len(reached), tuple(dict.fromkeys(reached)))


def _must_be_open(tx: Transaction, execution_id: str) -> None:
    # under its lock a wait is either registered already or will find this event in the inbox: no wake-up is lost
    lock = " FOR UPDATE" if tx.dialect == "postgres" else ""
    found = tx.fetch_one(f"SELECT status FROM executions WHERE id = :id{lock}", {"id": execution_id})
    if found is None:
        raise ExecutionNotFoundError(f"There is no execution {execution_id!r}.", execution_id=execution_id)
    if ExecutionStatus(found[0]) in TERMINAL:
        raise InvalidStateError(
            f"Execution {execution_id} is {found[0]} and takes no events.",
            state=found[0],
            allowed=["pending", "running", "waiting"],
        )
