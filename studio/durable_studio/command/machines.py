"""``queues`` and ``nodes``."""

from __future__ import annotations

from durable_core.engine.engine import Engine
from durable_core.query.document import plain
from durable_studio.command.output import ago, emit, emit_json, safe, table


def list_queues(engine: Engine, as_json: bool) -> int:
    """Every queue with what waits in it."""
    found = engine.queues.list()
    if as_json:
        emit_json([plain(queue) for queue in found])
    elif not found:
        emit("No queues: nothing waits or runs, and no worker is there.")
    else:
        table(
            ("QUEUE", "STATE", "READY", "RUNNING", "WAITING", "OLDEST", "WORKERS", "CONCURRENCY"),
            [
                (
                    queue["name"],
                    "paused" if queue["paused"] else "open",
                    queue["ready"],
                    queue["running"],
                    queue["waiting"],
                    ago(queue["oldest_ready_at"]),
                    queue["workers"],
                    queue["concurrency"],
                )
                for queue in found
            ],
        )
    return 0


def set_queue(engine: Engine, name: str, as_json: bool, *, paused: bool) -> int:
    """Pause or resume one queue."""
    if paused:
        engine.queues.pause(name)
    else:
        engine.queues.resume(name)
    if as_json:
        emit_json({"name": name, "paused": paused})
    else:
        emit(f"Queue {safe(name)} is {'paused' if paused else 'open'}.")
    return 0


def list_nodes(engine: Engine, as_json: bool, *, ended: bool) -> int:
    """The workers of this store."""
    found = engine.nodes(ended=ended)
    if as_json:
        emit_json([plain(worker) for worker in found])
    elif not found:
        emit("No workers. Start one: durable-studio worker FILE.py")
    else:
        table(
            ("WORKER", "STATUS", "NAME", "PID", "RUNNING", "HEARTBEAT", "QUEUES"),
            [
                (
                    worker["id"],
                    worker["status"],
                    worker["name"],
                    worker["pid"],
                    worker["running"],
                    ago(worker["heartbeat_at"]),
                    ", ".join(f"{queue}={limit}" for queue, limit in worker["queues"].items()),
                )
                for worker in found
            ],
            [worker["status"] for worker in found],
        )
    return 0
