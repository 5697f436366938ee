"""Workers and queues as people see them."""

from __future__ import annotations

from typing import Any

from durable_core.clock import from_us
from durable_core.codec import load_tree
from durable_core.query.entry import Entry
from durable_core.store.transaction import Transaction


def workers(tx: Transaction, *, ended: bool = False) -> list[Entry]:
    """Every worker that has not said goodbye, newest first, with what it holds; `ended` adds the others."""
    now = tx.now()
    held: dict[str, int] = dict(
        tx.fetch("SELECT worker_id, COUNT(*) FROM tokens WHERE status = 'running' GROUP BY worker_id")
    )
    found = []
    for row in tx.fetch(
        "SELECT id, name, host, pid, lock_file, queues, workflows, lease, status, started_at, heartbeat_at "
        "FROM workers ORDER BY started_at DESC, id"
    ):
        id_, name, host, pid, lock_file, queues, workflows, lease, status, started_at, heartbeat_at = row
        if status != "running" and not ended:
            continue
        late = status == "running" and heartbeat_at + int(lease * 1_000_000) < now
        found.append(
            Entry(
                id=id_,
                name=name,
                host=host,
                pid=pid,
                lock_file=lock_file,
                queues=load_tree(queues) if queues else {},
                workflows=load_tree(workflows) if workflows else [],
                lease=lease,
                status="lost" if late else "alive" if status == "running" else status,
                running=held.get(id_, 0),
                started_at=from_us(started_at),
                heartbeat_at=from_us(heartbeat_at),
                silent_s=round(max(0, now - heartbeat_at) / 1_000_000, 3),
            )
        )
    return found


def queues(tx: Transaction) -> list[Entry]:
    """Every queue that is used, served or paused, with the tokens in it."""
    now = tx.now()
    found: dict[str, dict[str, Any]] = {}

    def one(name: str) -> dict[str, Any]:
        return found.setdefault(
            name,
            {
                "name": name,
                "paused": False,
                "ready": 0,
                "running": 0,
                "waiting": 0,
                "oldest_ready_at": None,
                "concurrency": 0,
                "workers": 0,
            },
        )

    for name, status, number, oldest in tx.fetch(
        "SELECT queue, status, COUNT(*), MIN(available_at) FROM tokens GROUP BY queue, status"
    ):
        queue = one(name)
        if status == "ready":
            queue["ready"] = number
            queue["oldest_ready_at"] = None if oldest is None or oldest > now else from_us(oldest)
        elif status == "running":
            queue["running"] = number
        elif status in ("waiting", "retry", "paused"):
            queue["waiting"] += number
    for name, paused in tx.fetch("SELECT name, paused FROM queues"):
        one(name)["paused"] = bool(paused)
    for worker in workers(tx):
        if worker["status"] == "alive":
            for name, concurrency in worker["queues"].items():
                one(name)["concurrency"] += concurrency
                one(name)["workers"] += 1
    return [Entry(found[name]) for name in sorted(found)]
