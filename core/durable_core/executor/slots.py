"""Threads that run synchronous bodies: as many as there is work for, up to a limit, all of them daemons."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from durable_core.executor.claim import Claim


class Slots:
    """A pool whose threads go on with their own token as long as they can, before they look for another."""

    def __init__(self, work: Callable[[Claim], None], limit: int, name: str = "durable-slot") -> None:
        self._work = work
        self._limit = limit
        self._name = name
        self._ready: deque[Claim] = deque()
        self._wake = threading.Condition()
        self._idle = 0
        self._threads = 0
        self._closed = False

    def submit(self, claim: Claim) -> None:
        """Run a claim's work on some thread, soon."""
        with self._wake:
            self._ready.append(claim)
            if self._idle:
                self._wake.notify()
            elif self._threads < self._limit and not self._closed:
                self._threads += 1
                threading.Thread(target=self._loop, name=f"{self._name}-{self._threads}", daemon=True).start()

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._ready:
                    if self._closed:
                        self._threads -= 1
                        return
                    self._idle += 1
                    self._wake.wait()
                    self._idle -= 1
                claim = self._ready.popleft()
            self._work(claim)

    def close(self) -> None:
        """Let idle threads end; a body that runs keeps its (daemon) thread until it returns."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
