"""Who waits for the end of which execution in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.query import executions as queries
from durable_core.store.protocol import Database


class Waiters:
    """Wakes those who wait for an execution as soon as this process has seen its end."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus

    @contextmanager
    def expect(self, execution_id: str) -> Iterator[threading.Event]:
        """An event that is set when the execution ends."""
        ended = threading.Event()

        def hear(_: Message) -> None:
            ended.set()

        stop = self._bus.subscribe_end(hear, execution_id)
        try:
            yield ended
        finally:
            stop()

    def wait(self, database: Database, execution_id: str, timeout: float | None) -> None:
        """Block until the execution has ended; TimeoutError when it has not in `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.expect(execution_id) as ended:
            pause = 0.05
            while True:
                with database.read() as tx:
                    status = queries.status_of(tx, execution_id)
                    if status is None:
                        queries.find(tx, execution_id)  # says that there is none
                if status in ("completed", "failed", "cancelled", "compensated", "compensation_failed"):
                    return
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"Execution {execution_id} is still {status} after {timeout:g} s.")
                ended.wait(pause if left is None else min(pause, left))
                pause = min(pause * 1.5, 0.5)
