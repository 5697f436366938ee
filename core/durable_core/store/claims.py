"""Claims: which ready tokens a worker takes, and which it gives back or takes over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from durable_core.failpoints import failpoint
from durable_core.store import statements as sql
from durable_core.store.ahead import lock_and_catch_up
from durable_core.store.transaction import Transaction
from durable_core.store.wait_statements import CLOSE_GROUP, END_DUE, END_DUE_UNLOCKED


class Held(Protocol):
    """A token under a fence."""

    @property
    def token_id(self) -> str: ...
    @property
    def execution_id(self) -> str: ...
    @property
    def fence(self) -> int: ...


class Taken(NamedTuple):
    """A token that was claimed."""

    token_id: str
    execution_id: str
    workflow: str
    queue: str
    priority: int
    available_at: int
    fence: int


_TAKEN = ("id", "execution_id", "workflow", "queue", "priority", "available_at", "fence")
_NOT_PAUSED = "AND NOT EXISTS (SELECT 1 FROM queues WHERE queues.name = :queue AND queues.paused = 1)"


@lru_cache(maxsize=256)
def _claim_statement(dialect: str, workflows: int) -> str:
    names = ", ".join(f":w{index}" for index in range(workflows))
    picked = f"""
SELECT id FROM tokens WHERE status = 'ready' AND queue = :queue AND available_at <= :now AND workflow IN ({names})
    {_NOT_PAUSED}
ORDER BY priority DESC, available_at LIMIT :limit"""
    update = """
UPDATE tokens SET status = 'running', fence = fence + 1, worker_id = :worker, lease_until = :lease_until,
    claimed_at = :now"""
    if dialect == "postgres":
        return (
            f"WITH picked AS MATERIALIZED ({picked} FOR UPDATE SKIP LOCKED) {update} FROM picked "
            f"WHERE tokens.id = picked.id RETURNING {', '.join(f'tokens.{column}' for column in _TAKEN)}"
        )
    return f"{update} WHERE id IN ({picked}) RETURNING {', '.join(_TAKEN)}"


@lru_cache(maxsize=256)
def _ready_statement(workflows: int) -> str:
    names = ", ".join(f":w{index}" for index in range(workflows))
    return f"""
SELECT 1 FROM tokens WHERE status = 'ready' AND queue = :queue AND available_at <= :now AND workflow IN ({names})
    {_NOT_PAUSED} LIMIT 1"""


def work_waits(tx: Transaction, queues: Sequence[str], workflows: Sequence[str]) -> bool:
    """Whether a claim would find something, due waits included; a read, so that idle workers write nothing."""
    now = tx.now()
    due = tx.fetch_one(sql.NEXT_DUE)
    if due is not None and due[0] is not None and due[0] <= now:
        return True
    return any_ready(tx, queues, workflows)


def any_ready(tx: Transaction, queues: Sequence[str], workflows: Sequence[str]) -> bool:
    """Whether tokens are ready that a claim would take."""
    params = {"now": tx.now(), **{f"w{index}": name for index, name in enumerate(workflows)}}
    statement = _ready_statement(len(workflows))
    return any(tx.fetch_one(statement, {**params, "queue": queue}) is not None for queue in queues)


def claim(
    tx: Transaction, worker_id: str, free: Mapping[str, int], workflows: Sequence[str], lease_us: int
) -> list[Taken]:
    """Take ready tokens, higher priority and longer waiting first, at most `free[queue]` of each queue."""
    now = tx.now()
    groups = [
        id
        for id, kind in tx.fetch(END_DUE_UNLOCKED if tx.dialect == "postgres" else END_DUE, {"now": now})
        if kind in ("any", "all")
    ]
    tx.execute_many(CLOSE_GROUP, [{"group": id, "now": now} for id in groups])
    woken = tx.execute(sql.WAKE_DUE + (sql.WAKE_DUE_UNLOCKED if tx.dialect == "postgres" else ")"), {"now": now})
    if woken:
        failpoint("inside_wake", worker_id)
    if not workflows:
        return []
    statement = _claim_statement(tx.dialect, len(workflows))
    params = {
        "worker": worker_id,
        "now": now,
        "lease_until": now + lease_us,
        **{f"w{index}": name for index, name in enumerate(workflows)},
    }
    taken: list[Taken] = []
    for queue, limit in free.items():
        if limit > 0:
            taken += map(Taken._make, tx.fetch(statement, {**params, "queue": queue, "limit": limit}))
    return taken


def mark_running(tx: Transaction, claimed: Iterable[Held]) -> None:
    """Executions whose tokens were claimed are running, if they still are: their worker may have been frozen (S-3).

    On PostgreSQL this is a transaction of its own: records lock the execution before its tokens, claims the other way.
    """
    now = tx.now()
    rows = [
        {"execution": each.execution_id, "token": each.token_id, "fence": each.fence, "now": now} for each in claimed
    ]
    # in one order everywhere, so that two workers cannot block each other
    tx.execute_many(sql.MARK_RUNNING, sorted(rows, key=lambda row: (row["execution"], row["token"])))


def next_due(tx: Transaction) -> int | None:
    """When the next wait, retry, scheduled start or deadline is due, in microseconds; None when there is none."""
    times = [
        tx.fetch_one(sql.NEXT_DUE),
        tx.fetch_one(sql.NEXT_SCHEDULED, {"now": tx.now()}),
        tx.fetch_one(sql.NEXT_DEADLINE),
    ]
    due = [row[0] for row in times if row is not None and row[0] is not None]
    return min(due) if due else None


def hand_back(tx: Transaction, held: Sequence[tuple[str, int]]) -> None:
    """Give tokens back that this worker holds but will not work on; no crash is counted (E-4)."""
    for token_id, fence in held:
        lock_and_catch_up(tx, token_id)
        tx.execute(sql.RELEASE_TOKEN, {"id": token_id, "fence": fence})


def renew(tx: Transaction, worker_id: str, lease_us: int) -> dict[str, int]:
    """Extend this worker's leases; returns the fence of every token that is still its own."""
    statement = sql.HEARTBEAT_UNLOCKED if tx.dialect == "postgres" else sql.HEARTBEAT
    tx.execute(statement, {"worker": worker_id, "lease_until": tx.now() + lease_us})
    tx.execute(sql.WORKER_HEARTBEAT, {"worker": worker_id, "now": tx.now()})
    return dict(tx.fetch(sql.HELD_TOKENS, {"worker": worker_id}))


def is_held(tx: Transaction, token_id: str, fence: int) -> bool:
    """Whether a token is running under this fence."""
    return tx.fetch_one(sql.HOLDING, {"id": token_id, "fence": fence}) is not None
