"""One shared thread that hands captured lines to their sinks within 100 ms, and ends by itself when it is idle."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection
from contextvars import Context
from typing import Final, Protocol

from durable_core.capture.line import LogLine, LogSink
from durable_core.clock import SYSTEM_CLOCK

__all__ = ["FLUSHER", "Flusher", "LineSource"]

_GATHER_SECONDS: Final = 0.04
"""Lines are gathered that long, so that a busy step costs 25 writes a second and not one for every line."""

_IDLE_SECONDS: Final = 5.0


class LineSource(Protocol):
    """Who has lines to deliver."""

    @property
    def sink(self) -> LogSink:
        """Where they go."""
        ...

    def begin_delivery(self, now: float, /) -> list[LogLine]:
        """The lines to write now; ``end_delivery`` follows when there are any."""
        ...

    def end_delivery(self, error: Exception | None, now: float, /) -> None:
        """Hear what became of them."""
        ...

    def needs_delivery(self) -> bool:
        """Whether to come again soon without being asked."""
        ...


class Flusher:
    """Takes the lines of the scopes that asked for it and writes them, many scopes in one batch for each sink.

    A sink that raises gets the same lines again later, each scope's on its own; it never reaches the step. A sink
    that hangs holds back the live lines of the others: what they keep meanwhile is bounded by their caps and taken by
    ``drain``.
    """

    def __init__(self, *, gather_seconds: float = _GATHER_SECONDS, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._gather_seconds = gather_seconds
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._asking: set[LineSource] = set()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread exists now."""
        return self._thread is not None

    def ask(self, source: LineSource) -> None:
        """Have the lines of this source delivered soon."""
        with self._changed:
            self._asking.add(source)
            if self._thread is None:
                self._start()
            else:
                self._changed.notify()

    def forget_thread(self) -> None:
        """Begin anew in a forked child, where the thread does not exist and a lock may be held for ever."""
        self._changed = threading.Condition()
        self._asking = set()
        self._thread = None

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="durable-log-flusher", daemon=True)
        try:
            # In a context of its own: a thread started by a step would otherwise belong to that step.
            Context().run(thread.start)
        except RuntimeError:
            return  # the interpreter ends, or no more threads are to be had: the lines stay for `drain`
        self._thread = thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._asking:
                    if not self._changed.wait(self._idle_seconds) and not self._asking:
                        self._thread = None
                        return
            time.sleep(self._gather_seconds)
            with self._changed:
                scopes, self._asking = self._asking, set()
            self.deliver(scopes)

    def deliver(self, scopes: Collection[LineSource]) -> None:
        """Write what these have, each sink's lines in one batch."""
        now = SYSTEM_CLOCK.monotonic()
        by_sink: dict[int, list[tuple[LineSource, list[LogLine]]]] = {}
        for scope in scopes:
            lines = scope.begin_delivery(now)
            if lines:
                by_sink.setdefault(id(scope.sink), []).append((scope, lines))
        for batches in by_sink.values():
            sink = batches[0][0].sink
            if len(batches) > 1 and _accepts(sink, batches):
                for scope, _ in batches:
                    scope.end_delivery(None, now)
                continue
            for scope, lines in batches:
                scope.end_delivery(_attempt(sink, lines), now)
        waiting = {scope for scope in scopes if scope.needs_delivery()}
        if waiting:
            with self._changed:
                self._asking |= waiting


def _accepts(sink: LogSink, batches: list[tuple[LineSource, list[LogLine]]]) -> bool:
    return _attempt(sink, [line for _, lines in batches for line in lines]) is None


def _attempt(sink: LogSink, lines: list[LogLine]) -> Exception | None:
    try:
        sink.write(lines)
    except Exception as error:  # noqa: BLE001 - whatever a sink raises is counted at the scope and tried again
        return error
    return None


FLUSHER: Final = Flusher()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FLUSHER.forget_thread)
