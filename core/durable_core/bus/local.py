"""The bus within one process: subscribers are called in the committing thread, so they must be quick."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from durable_core.bus.messages import Message

Subscriber = Callable[[Message], None]

log = logging.getLogger("durable_studio.bus")


class LocalBus:
    """Hands each message to whoever asked for its execution, or for all; those who only want its end get just that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: tuple[Subscriber, ...] = ()
        self._by_execution: dict[str, tuple[Subscriber, ...]] = {}
        self._ends: dict[str, tuple[Subscriber, ...]] = {}

    def listens(self, execution_id: str) -> bool:
        """Whether somebody wants to hear of an execution's steps; if not, senders need not make messages."""
        return bool(self._all) or execution_id in self._by_execution

    def subscribe(self, subscriber: Subscriber, execution_id: str | None = None) -> Callable[[], None]:
        """Call `subscriber` for each message (of one execution); returns how to stop that."""
        if execution_id is not None:
            return self._keyed(self._by_execution, subscriber, execution_id)
        with self._lock:
            self._all = (*self._all, subscriber)

        def stop() -> None:
            with self._lock:
                self._all = tuple(each for each in self._all if each is not subscriber)

        return stop

    def subscribe_end(self, subscriber: Subscriber, execution_id: str) -> Callable[[], None]:
        """Call `subscriber` when the execution ends; returns how to stop that."""
        return self._keyed(self._ends, subscriber, execution_id)

    def _keyed(
        self, table: dict[str, tuple[Subscriber, ...]], subscriber: Subscriber, execution_id: str
    ) -> Callable[[], None]:
        with self._lock:
            table[execution_id] = (*table.get(execution_id, ()), subscriber)

        def stop() -> None:
            with self._lock:
                left = tuple(each for each in table.get(execution_id, ()) if each is not subscriber)
                if left:
                    table[execution_id] = left
                else:
                    table.pop(execution_id, None)

        return stop

    def publish(self, message: Message) -> None:
        """Tell everybody concerned; a subscriber that raises is logged and never fails a run."""
        concerned = (*self._all, *self._by_execution.get(message.execution_id, ()))
        if message.kind == "ended":
            concerned = (*concerned, *self._ends.get(message.execution_id, ()))
        for subscriber in concerned:
            try:
                subscriber(message)
            except Exception:
                log.exception("a subscriber of execution %s failed", message.execution_id)
