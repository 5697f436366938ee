"""Executions as people see them: one row with its flags, its steps, its context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from durable_core.codec import load_tree
from durable_core.errors import ExecutionNotFoundError
from durable_core.executor.load import stored_context
from durable_core.store.control import BLOCKED, PAUSED, STOPPING
from durable_core.store.transaction import Transaction

COLUMNS = (
    "id",
    "workflow",
    "definition_hash",
    "status",
    "control",
    "revision",
    "input",
    "context",
    "output",
    "error",
    "queue",
    "priority",
    "tags",
    "idempotency_key",
    "cancel_mode",
    "reason",
    "parent_id",
    "forked_from",
    "crashes",
    "created_at",
    "started_at",
    "completed_at",
    "deadline_at",
)

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM executions"

STEP_COLUMNS = (
    "seq",
    "path",
    "name",
    "type",
    "iteration",
    "attempt",
    "pass_number",
    "status",
    "choice",
    "output",
    "error",
    "compensate",
    "worker_id",
    "started_at",
    "completed_at",
    "token_key",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """One execution's row, decoded; times in microseconds."""

    id: str
    workflow: str
    definition_hash: str
    status: str
    control: int
    revision: int
    input: Any
    context: Any
    output: Any
    error: Any
    queue: str
    priority: int
    tags: tuple[str, ...]
    idempotency_key: str | None
    cancel_mode: str | None
    reason: str | None
    parent_id: str | None
    forked_from: str | None
    crashes: int
    created_at: int
    started_at: int | None
    completed_at: int | None
    deadline_at: int | None

    @property
    def paused(self) -> bool:
        return bool(self.control & PAUSED)

    @property
    def cancelling(self) -> bool:
        return bool(self.control & STOPPING)

    @property
    def blocked(self) -> bool:
        return bool(self.control & BLOCKED)


def _tree(text: str | None) -> Any:
    return None if text is None else load_tree(text)


def record_of(row: Sequence[Any]) -> ExecutionRecord:
    values = dict(zip(COLUMNS, row, strict=True))
    for column in ("input", "context", "output", "error"):
        values[column] = _tree(values[column])
    values["tags"] = tuple(_tree(values["tags"]) or ())
    return ExecutionRecord(**values)


def find(tx: Transaction, execution_id: str) -> ExecutionRecord:
    """The execution of that id; ExecutionNotFoundError when there is none."""
    row = tx.fetch_one(f"{_SELECT} WHERE id = :id", {"id": execution_id})
    if row is None:
        raise ExecutionNotFoundError(
            f"There is no execution {execution_id!r}.",
            execution_id=execution_id,
            hint="`durable-studio list` shows those there are.",
        )
    return record_of(row)


def status_of(tx: Transaction, execution_id: str) -> str | None:
    row = tx.fetch_one("SELECT status FROM executions WHERE id = :id", {"id": execution_id})
    return None if row is None else str(row[0])


def context_of(tx: Transaction, record: ExecutionRecord) -> dict[str, Any]:
    """The execution's context, encoded: the stored end, or the first token's as it stands now."""
    if record.context is not None:
        return dict(record.context)
    row = tx.fetch_one(
        "SELECT changes, changes_seq FROM tokens WHERE id = :id", {"id": record.id}
    )
    if row is None:
        return dict(record.input)
    return stored_context(tx, record.id, "", row[0], row[1], {})


def steps_of(tx: Transaction, execution_id: str) -> list[dict[str, Any]]:
    """Every finished attempt in order, then those that run or wait now."""
    rows = tx.fetch(
        f"SELECT {', '.join(STEP_COLUMNS)} FROM steps WHERE execution_id = :id ORDER BY seq", {"id": execution_id}
    )
    steps = [dict(zip(STEP_COLUMNS, row, strict=True)) for row in rows]
    for step in steps:
        step["output"] = _tree(step["output"])
        step["error"] = _tree(step["error"])
    return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions a list shows; None matches all."""

    workflow: str | None = None
    statuses: tuple[str, ...] = ()
    tag: str | None = None
    since: int | None = None
    until: int | None = None
    search: str | None = None
    parent: str | None = None


def page(tx: Transaction, chosen: Filter, limit: int, after: tuple[int, str] | None = None) -> list[ExecutionRecord]:
    """Newest first; `after` is (created_at, id) of the last row of the page before."""
    conditions, params = [], dict[str, Any](limit=limit)
    if chosen.workflow is not None:
        conditions.append("workflow = :workflow")
        params["workflow"] = chosen.workflow
    if chosen.statuses:
        names = [f":status{index}" for index in range(len(chosen.statuses))]
        conditions.append(f"status IN ({', '.join(names)})")
        params.update({f"status{index}": status for index, status in enumerate(chosen.statuses)})
    if chosen.tag is not None:
        conditions.append("tags LIKE :tag ESCAPE '!'")
        params["tag"] = f'%"{_like(chosen.tag)}"%'
    if chosen.since is not None:
        conditions.append("created_at >= :since")
        params["since"] = chosen.since
    if chosen.until is not None:
        conditions.append("created_at < :until")
        params["until"] = chosen.until
    if chosen.search:
        conditions.append("(id LIKE :prefix ESCAPE '!' OR workflow LIKE :part ESCAPE '!' OR idempotency_key = :search)")
        params["prefix"] = f"{_like(chosen.search)}%"
        params["part"] = f"%{_like(chosen.search)}%"
        params["search"] = chosen.search
    if chosen.parent is not None:
        conditions.append("parent_id = :parent")
        params["parent"] = chosen.parent
    if after is not None:
        conditions.append("(created_at < :after_at OR (created_at = :after_at AND id < :after_id))")
        params["after_at"], params["after_id"] = after
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = tx.fetch(f"{_SELECT}{where} ORDER BY created_at DESC, id DESC LIMIT :limit", params)
    return [record_of(row) for row in rows]


def _like(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
