"""The workers that one engine runs in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from durable_core.dsl.guard import refuse_while_imported
from durable_core.executor.worker import Worker, WorkerOptions

__all__ = ["Crew"]


class Crew:
    """Any number of workers; when there is none and one is needed, the engine's own is started."""

    def __init__(
        self, make: Callable[[WorkerOptions], Worker], joined: Callable[[], None], options: WorkerOptions, *, own: bool
    ) -> None:
        self._make = make
        self._joined = joined
        self.options = options
        """Of the engine's own worker."""
        self._own = own
        self._members: list[Worker] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def members(self) -> Sequence[Worker]:
        """Those there are, closed ones too."""
        return tuple(self._members)

    def start(self, options: WorkerOptions) -> Worker:
        """One more worker."""
        refuse_while_imported()
        worker = self._make(options)
        worker.start()
        self._members.append(worker)
        self._joined()
        return worker

    def ensure(self) -> Worker | None:
        """A worker that works, if this engine is to have one."""
        alive = next((worker for worker in self._members if not worker.closed), None)
        if not self._own or alive is not None:
            return alive
        with self._lock:
            if not self._closed and all(worker.closed for worker in self._members):
                self._members.clear()
                self.start(self.options)
        return self._members[0] if self._members else None

    def wake(self) -> None:
        """There may be work."""
        for worker in self._members:
            worker.wake()

    def interrupt(self, token_ids: Iterable[str]) -> None:
        """Ask the bodies of these tokens to stop, and look for work."""
        tokens = list(token_ids)
        for worker in self._members:
            for token_id in tokens:
                worker.interrupt(token_id)
            worker.wake()

    def dismiss(self, *, closing: bool = False) -> list[Worker]:
        """All of them, for whoever ends them; none follows when the engine is closing."""
        with self._lock:
            self._closed = self._closed or closing
            workers, self._members = self._members, []
        return workers
