"""A child execution has ended: the parent's call gets its result."""

from __future__ import annotations

from typing import Any

from durable_core.codec import dump_tree
from durable_core.store import wait_statements as sql
from durable_core.store.transaction import Transaction
from durable_core.wait.rows import resolve, wake


def child_ended(tx: Transaction, parent_id: str, child_id: str, status: str, output: Any, error: Any) -> bool:
    """Resolve the call that waits for a child, and wake the parent; False when nobody waits."""
    found = tx.fetch_one(sql.CALL_WAIT, {"execution": parent_id, "child": child_id})
    if found is None:
        return False
    wait_id, token_id = found
    payload = dump_tree({"id": child_id, "status": status, "output": output, "error": error})
    if not resolve(tx, wait_id, "satisfied", payload):
        return False
    wake(tx, token_id)
    return True
