"""One heap and one thread for everything that happens later in this process."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger("durable_studio.executor")


LONGEST_PAUSE = 3600.0
"""Seconds of one sleep of the thread: no lock can be waited for as long as an execution can sleep."""


class Timer:
    """Something that is to happen; may be called off."""

    __slots__ = ("cancelled", "function")

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """Calls functions after a delay, in one daemon thread; they must be quick."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def after(self, seconds: float, function: Callable[[], None]) -> Timer:
        """Call `function` in `seconds` seconds."""
        timer = Timer(function)
        at = time.monotonic() + max(0.0, seconds)
        with self._wake:
            first = not self._heap or at < self._heap[0][0]
            heapq.heappush(self._heap, (at, next(self._count), timer))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._loop, name="durable-timers", daemon=True)
                self._thread.start()
            elif first:
                self._wake.notify()
        return timer

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (not self._heap or self._heap[0][0] > time.monotonic()):
                    pause = self._heap[0][0] - time.monotonic() if self._heap else LONGEST_PAUSE
                    self._wake.wait(min(pause, LONGEST_PAUSE))
                if self._closed:
                    return
                _, _, timer = heapq.heappop(self._heap)
            if not timer.cancelled:
                try:
                    timer.function()
                except Exception:
                    log.exception("a timed call failed")

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
