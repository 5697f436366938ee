"""Answers of people: validated before anything changes, recorded with who gave them (W-7)."""

from __future__ import annotations

from typing import Any

from durable_core.clock import iso
from durable_core.codec import dump_tree, load_tree
from durable_core.errors import AlreadyAnsweredError, ExecutionNotFoundError, InvalidStateError, WaitNotFoundError
from durable_core.ids import check_name
from durable_core.store import wait_statements as sql
from durable_core.store.transaction import Transaction
from durable_core.wait.answers import check_answer
from durable_core.wait.rows import resolve, row_of, wake


def answer(
    tx: Transaction,
    execution_id: str,
    name: str,
    value: Any,
    *,
    by: str | None = None,
    through: str | None = None,
    schema: type[Any] | None = None,
) -> Any:
    """Answer the oldest open question of that name; returns the accepted answer, encoded."""
    for what, who in (("by", by), ("through", through)):
        if who is not None:
            check_name(who, what)
    lock = " FOR UPDATE" if tx.dialect == "postgres" else ""  # of two answers at once, one sees the other's
    found = tx.fetch(sql.INPUTS_OF + lock, {"execution": execution_id, "name": name})
    rows = [row_of(values) for values in found]
    if not rows:
        _unknown(tx, execution_id, name)
    still_open = [row for row in rows if row["status"] == "open"]
    if not still_open:
        _too_late(rows[-1], execution_id, name)
    row = still_open[0]
    spec = load_tree(row["spec"])
    accepted, comment = check_answer(spec, value, schema)
    if not resolve(
        tx, row["id"], "satisfied", dump_tree(accepted), by=by, through=through, comment=comment
    ):  # pragma: no cover - the row was open in this very transaction
        _too_late(row, execution_id, name)
    wake(tx, row["token_id"])
    return accepted


def _unknown(tx: Transaction, execution_id: str, name: str) -> None:
    if tx.fetch_one("SELECT 1 FROM executions WHERE id = :id", {"id": execution_id}) is None:
        raise ExecutionNotFoundError(f"There is no execution {execution_id!r}.", execution_id=execution_id)
    names = [
        row[0]
        for row in tx.fetch(
            "SELECT name FROM waits WHERE execution_id = :id AND kind = 'input' AND status = 'open'",
            {"id": execution_id},
        )
    ]
    hint = f"It asks: {', '.join(sorted(set(names)))}." if names else "It asks nothing at the moment."
    raise WaitNotFoundError(f"Execution {execution_id} has no question {name!r}.", hint=hint)


def _too_late(row: dict[str, Any], execution_id: str, name: str) -> None:
    if row["status"] == "satisfied":
        who = f" by {row['answered_by']}" if row["answered_by"] else ""
        raise AlreadyAnsweredError(
            f"The question {name!r} of execution {execution_id} was answered{who} already.",
            by=row["answered_by"],
            at=iso(row["resolved_at"]),
        )
    ended = "has timed out" if row["status"] == "timed_out" else f"was {row['status']}"
    raise InvalidStateError(
        f"The question {name!r} of execution {execution_id} {ended} and takes no answer.",
        state=row["status"],
        allowed=["open"],
        hint=f"See what it waits for now: durable-studio status {execution_id}",
    )
