"""The context of an execution as the store has it."""

from __future__ import annotations

from typing import Any

from durable_core.codec import load_tree
from durable_core.context.changes import Delta, apply_changes
from durable_core.query.executions import ExecutionRecord
from durable_core.store import statements as sql
from durable_core.store.transaction import Transaction


def context_of(tx: Transaction, record: ExecutionRecord) -> dict[str, Any]:
    """The execution's context, encoded: the stored end, or the first token's as it stands now."""
    if record.context is not None:
        return dict(record.context)
    row = tx.fetch_one("SELECT changes, changes_seq FROM tokens WHERE id = :id", {"id": record.id})
    if row is None:
        return dict(record.input)
    return token_context(tx, record.id, "", row[0], row[1], {})


def token_context(
    tx: Transaction, execution_id: str, key: str, changes: str | None, changes_seq: int, base: dict[str, Any]
) -> dict[str, Any]:
    """A token's whole context: its base, its change as last written, and the step rows since."""
    context = Delta.from_json(load_tree(changes)).apply(base) if changes else dict(base)
    for (change,) in tx.fetch(sql.CHANGES_SINCE, {"execution": execution_id, "seq": changes_seq, "key": key}):
        apply_changes(context, load_tree(change))
    return context
