"""What happened to an execution, in order: start, steps, waits, what people did, end."""

from __future__ import annotations

from typing import Any

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.definition.model import Definition
from durable_core.query.entry import Entry
from durable_core.query.executions import ExecutionRecord
from durable_core.query.lineage import inherited_steps
from durable_core.query.steps import recorded_steps
from durable_core.store.transaction import Transaction

_WAITS = """
SELECT id, path, kind, name, status, answered_by, answered_through, comment, created_at, resolved_at FROM waits
WHERE execution_id = :id AND kind NOT IN ('once', 'member') ORDER BY created_at, id"""

_MEMBERS = """
SELECT group_id, event, status FROM waits
WHERE execution_id = :id AND kind = 'member' ORDER BY group_id, position, id"""


def history_of(tx: Transaction, record: ExecutionRecord, definition: Definition | None = None) -> list[Entry]:
    """Every recorded happening with its time (`at`) and `kind`, oldest first.

    Steps that a fork has from another execution bear its id as `forked_from`.
    """
    found: list[tuple[int, int, Entry]] = [(record.created_at, 0, _at(record.created_at, "created"))]
    if record.started_at is not None:
        found.append((record.started_at, 1, _at(record.started_at, "started")))
    inherited = [] if definition is None or record.forked_from is None else inherited_steps(tx, record.id, definition)
    for step in (*inherited, *recorded_steps(tx, record.id)):
        at = step["completed_at"]
        facts = {key: step[key] for key in ("path", "name", "type", "iterations", "attempt", "status", "error", "seq")}
        if "forked_from" in step:
            facts["forked_from"] = step["forked_from"]
        kind = "compensation" if step["type"] == "compensation" else "step"
        found.append((_us(at), 2, Entry(at=at, kind=kind, **facts)))
    for kind, detail, created_at in tx.fetch(
        "SELECT kind, detail, created_at FROM journal WHERE execution_id = :id ORDER BY id", {"id": record.id}
    ):
        detail_tree = load_tree(detail) if detail else {}
        detail_tree.pop("tokens", None)  # what a fork began with: as large as its context
        found.append((created_at, 3, Entry(at=from_us(created_at), kind=kind, detail=detail_tree)))
    found += _waits(tx, record.id)
    if record.completed_at is not None:
        found.append((record.completed_at, 5, _at(record.completed_at, record.status)))
    found.sort(key=lambda each: each[:2])
    return [entry for _, _, entry in found]


def _waits(tx: Transaction, execution_id: str) -> list[tuple[int, int, Entry]]:
    found: list[tuple[int, int, Entry]] = []
    members: dict[str, dict[str, str]] = {}
    for group, event, status in tx.fetch(_MEMBERS, {"id": execution_id}):
        members.setdefault(group, {})[event] = "arrived" if status == "satisfied" else status
    for wait_id, path, kind, name, status, by, through, comment, created_at, resolved_at in tx.fetch(
        _WAITS, {"id": execution_id}
    ):
        facts: dict[str, Any] = {"path": path, "wait": kind, "name": name}
        found.append((created_at, 1, Entry(at=from_us(created_at), kind="waiting", **facts)))
        if resolved_at is not None:
            facts.update(status=status, answered_by=by, answered_through=through, comment=comment)
            if wait_id in members:
                facts["events"] = members[wait_id]
            found.append((resolved_at, 1, Entry(at=from_us(resolved_at), kind="wait_over", **facts)))
    return found


def _at(at: int, kind: str) -> Entry:
    return Entry(at=from_us(at), kind=kind)


def _us(at: Any) -> int:
    return int(at.timestamp() * 1_000_000)
