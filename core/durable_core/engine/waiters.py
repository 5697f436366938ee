"""Who waits for the end of which execution in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message


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

    def close(self) -> None:
        """Nothing is kept open."""
