"""The bus within one process: subscribers are called in the committing thread, so they must be quick."""

from __future__ import annotations

import threading
from collections.abc import Callable

from durable_core.bus.messages import Message

Subscriber = Callable[[Message], None]


class LocalBus:
    """Hands each message to whoever asked for its execution, or for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: tuple[Subscriber, ...] = ()
        self._by_execution: dict[str, tuple[Subscriber, ...]] = {}

    @property
    def quiet(self) -> bool:
        """Nobody listens: senders may skip making messages."""
        return not self._all and not self._by_execution

    def subscribe(self, subscriber: Subscriber, execution_id: str | None = None) -> Callable[[], None]:
        """Call `subscriber` for each message (of one execution); returns how to stop that."""
        with self._lock:
            if execution_id is None:
                self._all = (*self._all, subscriber)
            else:
                self._by_execution[execution_id] = (*self._by_execution.get(execution_id, ()), subscriber)

        def stop() -> None:
            with self._lock:
                if execution_id is None:
                    self._all = tuple(each for each in self._all if each is not subscriber)
                    return
                left = tuple(each for each in self._by_execution.get(execution_id, ()) if each is not subscriber)
                if left:
                    self._by_execution[execution_id] = left
                else:
                    self._by_execution.pop(execution_id, None)

        return stop

    def publish(self, message: Message) -> None:
        for subscriber in self._all:
            subscriber(message)
        for subscriber in self._by_execution.get(message.execution_id, ()):
            subscriber(message)
