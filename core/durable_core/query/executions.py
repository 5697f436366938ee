"""Executions as people see them: one row with its flags, and keyset pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from durable_core.codec import load_tree
from durable_core.errors import ExecutionNotFoundError
from durable_core.store.ahead import REVISION
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
    "scheduled_for",
    "crashes",
    "created_at",
    "started_at",
    "completed_at",
    "deadline_at",
)

_SELECT = f"SELECT {', '.join(REVISION if column == 'revision' else column for column in COLUMNS)} FROM executions"
# A page of a list shows no contexts: they may be 4 MiB each.
_SELECT_LISTED = _SELECT.replace(" context,", " NULL,")

FLAGS = {"paused": PAUSED, "cancelling": STOPPING, "blocked": BLOCKED}
"""Words beside the statuses that a filter takes."""

PREFIX_CHARS = 4
"""The shortest beginning of an id that stands for it."""


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
    scheduled_for: int | None
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

    @property
    def flags(self) -> tuple[str, ...]:
        """Which of paused, cancelling and blocked hold."""
        return tuple(name for name, bit in FLAGS.items() if self.control & bit)


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
        raise not_found(execution_id)
    return record_of(row)


def not_found(execution_id: str) -> ExecutionNotFoundError:
    return ExecutionNotFoundError(
        f"There is no execution {execution_id!r}.",
        execution_id=execution_id,
        hint="`durable-studio list` shows those there are.",
    )


def full_id(tx: Transaction, text: str) -> str:
    """The id that a text means: itself, or the one execution whose id begins with it."""
    if status_of(tx, text) is not None:
        return text
    if len(text) < PREFIX_CHARS:
        raise not_found(text)
    found = tx.fetch(
        "SELECT id FROM executions WHERE id LIKE :prefix ESCAPE '!' ORDER BY id LIMIT 3", {"prefix": f"{_like(text)}%"}
    )
    if not found:
        raise not_found(text)
    if len(found) > 1:
        raise ExecutionNotFoundError(
            f"Several ids begin with {text!r}: {', '.join(row[0] for row in found)} ...",
            execution_id=text,
            hint="Give more of it.",
        )
    return str(found[0][0])


def status_of(tx: Transaction, execution_id: str) -> str | None:
    rows = tx.fetch_alone("SELECT status FROM executions WHERE id = :id", {"id": execution_id})
    return str(rows[0][0]) if rows else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions a list shows; None matches all."""

    workflow: str | None = None
    statuses: tuple[str, ...] = ()
    """Statuses, and the words of `FLAGS`."""
    tag: str | None = None
    since: int | None = None
    until: int | None = None
    search: str | None = None
    """The beginning of an id, a part of a workflow's name, or an idempotency key."""
    parent: str | None = None
    top_level: bool = False
    """Only executions that no other one called."""


def page(tx: Transaction, chosen: Filter, limit: int, after: tuple[int, str] | None = None) -> list[ExecutionRecord]:
    """Newest first, without contexts; `after` is (created_at, id) of the last row of the page before."""
    conditions, params = _where(chosen)
    params["limit"] = limit
    if after is not None:
        conditions.append("(created_at < :after_at OR (created_at = :after_at AND id < :after_id))")
        params["after_at"], params["after_id"] = after
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = tx.fetch(f"{_SELECT_LISTED}{where} ORDER BY created_at DESC, id DESC LIMIT :limit", params)
    return [record_of(row) for row in rows]


def count(tx: Transaction, chosen: Filter) -> int:
    """How many executions match, over all pages."""
    conditions, params = _where(chosen)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    row = tx.fetch_one(f"SELECT COUNT(*) FROM executions{where}", params)
    return 0 if row is None else int(row[0])


def place_of(tx: Transaction, execution_id: str) -> tuple[int, str]:
    """Where an execution stands in a list: the `after` of the page that follows it."""
    row = tx.fetch_one("SELECT created_at, id FROM executions WHERE id = :id", {"id": execution_id})
    if row is None:
        raise not_found(execution_id)
    return int(row[0]), str(row[1])


def children_of(tx: Transaction, execution_id: str) -> list[str]:
    """Ids of the executions that this one called, oldest first."""
    found = tx.fetch("SELECT id FROM executions WHERE parent_id = :id ORDER BY created_at, id", {"id": execution_id})
    return [row[0] for row in found]


def _where(chosen: Filter) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    params: dict[str, Any] = {}
    if chosen.workflow is not None:
        conditions.append("workflow = :workflow")
        params["workflow"] = chosen.workflow
    if chosen.statuses:
        conditions.append(_status_condition(chosen.statuses, params))
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
    if chosen.top_level:
        conditions.append("parent_id IS NULL")
    return conditions, params


def _status_condition(statuses: Sequence[str], params: dict[str, Any]) -> str:
    plain = [status for status in statuses if status not in FLAGS]
    parts = [f"control & {FLAGS[word]} <> 0" for word in statuses if word in FLAGS]
    if plain:
        names = [f":status{index}" for index in range(len(plain))]
        parts.append(f"status IN ({', '.join(names)})")
        params.update({f"status{index}": status for index, status in enumerate(plain)})
    return f"({' OR '.join(parts)})"


def _like(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
