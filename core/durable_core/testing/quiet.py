"""When nothing moves any more: what keeps an engine busy, and when it would next move by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from durable_core.bus.messages import Message
from durable_core.dsl.registry import registry
from durable_core.engine.engine import Engine
from durable_core.store.control import STOPPING

__all__ = ["Quiet"]

LONGEST_LOOK = 0.02
"""Seconds between two looks when nothing is heard: a claim, say, tells nobody."""

_OPEN: Final = "status IN ('pending', 'running', 'waiting')"

_BUSY: Final = """
SELECT t.execution_id, t.path, t.status FROM tokens t
WHERE t.status = 'running'
   OR (t.status IN ('retry', 'waiting') AND t.available_at <= :now)
   OR (t.status = 'ready' AND t.available_at <= :now AND t.queue IN ({queues}) AND t.workflow IN ({workflows})
       AND NOT EXISTS (SELECT 1 FROM queues q WHERE q.name = t.queue AND q.paused = 1))
LIMIT 1"""

_LATE: Final = f"""
SELECT id, NULL, 'over its timeout' FROM executions
WHERE deadline_at <= :now AND completed_at IS NULL AND {_OPEN} AND control & {STOPPING} = 0 LIMIT 1"""

_NEXT: Final = (
    "SELECT MIN(available_at) FROM tokens WHERE status IN ('retry', 'waiting', 'ready') AND available_at > :now",
    f"SELECT MIN(deadline_at) FROM executions WHERE deadline_at > :now AND completed_at IS NULL AND {_OPEN}",
    "SELECT MIN(next_at) FROM scheduled_workflows WHERE enabled = 1 AND next_at > :now",
)


class Quiet:
    """Watches one engine, whose workers are the only ones on its store and serve `queues`, now or in a moment."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.queues: set[str] = set()
        self._heard = threading.Event()
        self._stop = engine.bus.subscribe(self._hear)

    def close(self) -> None:
        """Listen no more."""
        self._stop()

    def _hear(self, _: Message) -> None:
        self._heard.set()

    def busy(self) -> tuple[str, str | None, str] | None:
        """One place that is moving or about to: execution, node path and status; None when all is quiet."""
        params: dict[str, object] = {}
        statement = _BUSY.format(
            queues=_listed("q", sorted(self.queues), params), workflows=_listed("w", registry.names(), params)
        )
        with self._engine.database.read() as tx:
            now = tx.now()
            found = tx.fetch_one(statement, {**params, "now": now}) or tx.fetch_one(_LATE, {"now": now})
        return None if found is None else (found[0], found[1], found[2])

    def next_at(self) -> int | None:
        """The next time at which a sleep, timeout, retry, start or schedule is due; None when there is none."""
        with self._engine.database.read() as tx:
            now = tx.now()
            times = [tx.fetch_one(statement, {"now": now}) for statement in _NEXT]
        return min((row[0] for row in times if row is not None and row[0] is not None), default=None)

    def wait(self, timeout: float, done: Callable[[], bool] | None = None) -> bool:
        """Wait until all is quiet, or until `done()`; False when neither came in `timeout` real seconds."""
        deadline = time.monotonic() + timeout
        pause = 0.0005
        while True:
            self._heard.clear()
            if done is not None and done():
                return True
            if self.busy() is None:
                return True
            if time.monotonic() >= deadline:
                return False
            if self._heard.wait(pause):
                pause = 0.0005
            else:
                pause = min(pause * 1.5, LONGEST_LOOK)


def _listed(prefix: str, values: list[str], params: dict[str, object]) -> str:
    params.update({f"{prefix}{number}": value for number, value in enumerate(values)})
    return ", ".join(f":{prefix}{number}" for number in range(len(values))) or "NULL"
