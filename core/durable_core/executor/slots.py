"""Threads that run synchronous bodies: as many as there is work for, up to a limit, all of them daemons."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from durable_core.executor.claim import Claim

log = logging.getLogger("durable_studio.executor")

EAGER = 2
"""Threads that are woken at once. More wait for a sign that those are busy: short bodies are quicker done by few
threads that never wait for each other (the interpreter runs one at a time) than by many that do."""
THREADLESS_SECONDS = 1.0
"""How long to wait before the machine is asked for a thread again that it did not have."""
STALL_SECONDS = 0.001
"""How long work may lie before another thread is added."""


class Slots:
    """A pool whose threads go on with their own token as long as they can, before they look for another."""

    def __init__(self, work: Callable[[Claim], None], limit: int, name: str = "durable-slot") -> None:
        self._work = work
        self._limit = limit
        self._name = name
        self._ready: deque[Claim] = deque()
        lock = threading.Lock()
        self._wake = threading.Condition(lock)
        self._backlog = threading.Condition(lock)
        self._idle = 0
        self._threads = 0
        self._taken = 0
        self._watched = False
        self._closed = False

    @property
    def backlog(self) -> bool:
        """Whether claims wait for a thread."""
        return bool(self._ready)

    def submit(self, claim: Claim) -> None:
        """Run a claim's work on some thread, soon; RuntimeError when the machine has none for it."""
        with self._wake:
            self._ready.append(claim)
            if self._threads - self._idle < EAGER:
                try:
                    self._add()
                except RuntimeError:
                    self._ready.pop()
                    raise
            elif not self._watched:
                self._watched = self._begin(self._watch, "watch")
            elif len(self._ready) == 1:
                self._backlog.notify()

    def _add(self) -> bool:
        """Let one more thread look for work; False where one is wanted and cannot be had."""
        if self._idle:
            self._wake.notify()
        elif self._threads < self._limit and not self._closed:
            if not self._begin(self._loop, str(self._threads + 1)):
                return False
            self._threads += 1
        return True

    def _begin(self, run: Callable[[], None], name: str) -> bool:
        """Start a thread; where the machine has none the work waits for those there are: RuntimeError without any."""
        try:
            threading.Thread(target=run, name=f"{self._name}-{name}", daemon=True).start()
        except RuntimeError:
            if not self._threads:
                raise
            log.warning("no further thread can be had: the work waits for those there are", exc_info=True)
            return False
        return True

    def _watch(self) -> None:
        """Add threads while work lies and nobody takes it: bodies that block hold up nobody for long."""
        while True:
            with self._wake:
                while not self._ready:
                    if self._closed:
                        return
                    self._backlog.wait()
                taken = self._taken
            time.sleep(STALL_SECONDS)
            with self._wake:
                if self._ready and self._taken == taken and not self._add():
                    self._backlog.wait(THREADLESS_SECONDS)

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
                self._taken += 1
            self._work(claim)

    def close(self) -> None:
        """Let idle threads end; a body that runs keeps its (daemon) thread until it returns."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
            self._backlog.notify_all()
