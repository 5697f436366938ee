"""A token's context as the store has it."""

from __future__ import annotations

from typing import Any

from durable_core.codec import load_tree
from durable_core.context.changes import Delta, apply_changes
from durable_core.store import statements as sql
from durable_core.store.transaction import Transaction


def stored_context(
    tx: Transaction, execution_id: str, key: str, changes: str | None, changes_seq: int, base: dict[str, Any]
) -> dict[str, Any]:
    """A token's whole context, encoded: its base, its change as last written, and the step rows since."""
    context = Delta.from_json(load_tree(changes)).apply(base) if changes else dict(base)
    for (change,) in tx.fetch(sql.CHANGES_SINCE, {"execution": execution_id, "seq": changes_seq, "key": key}):
        apply_changes(context, load_tree(change))
    return context
