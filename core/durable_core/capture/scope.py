"""One pass of one body: what it prints, logs and warns becomes lines of its own (L-1, L-2)."""

from __future__ import annotations

import logging
import os
import threading
from _thread import RLock  # what `threading.RLock` makes, without another call
from collections import deque
from collections.abc import Sequence
from contextvars import Token
from types import TracebackType
from typing import Final, Self

from durable_core.capture.admission import Admission, Entry, Printed
from durable_core.capture.assembly import LineAssembler
from durable_core.capture.flusher import FLUSHER
from durable_core.capture.hooks import HOOKS
from durable_core.capture.line import AttemptIdentity, LogLine, LogSink
from durable_core.capture.options import DEFAULT_OPTIONS, CaptureOptions
from durable_core.capture.route import ROUTE, Event, Route, ignore
from durable_core.errors import InvalidStateError

__all__ = ["CaptureScope", "current_scope"]

_DRAIN_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

_live: Final[set[CaptureScope]] = set()


class CaptureScope(Route):
    """Captures everything the code inside it writes, until it is closed; entered once, in the body's own thread or
    task.

    While it is open its lines reach ``sink`` within 100 ms. Once closed they wait for ``drain``, whose caller writes
    them in the same transaction as the outcome of the attempt. A sink that fails never fails the step.
    """

    identity: AttemptIdentity

    # One is made for every pass of every body, and most bodies write nothing: what is not asked for in each of them
    # stays with the class until it is set, and what a route has is set without another call.
    _assembling = False
    _delivered: threading.Condition | None = None
    _token: Token[Route | None] | None = None
    _logger: logging.Logger | None = None
    _retry_at = 0.0
    _sink_errors = 0
    _sink_errors_in_a_row = 0
    _last_sink_error: Exception | None = None

    def __init__(self, identity: AttemptIdentity, sink: LogSink, options: CaptureOptions = DEFAULT_OPTIONS) -> None:
        self.identity = identity
        self.captures = False
        events: deque[Event] = deque()  # `deque[Event]()` takes seven times as long
        self.events = events
        self.put = events.append
        self.stamp = options.stamp
        self.thread = 0
        self.level = options.level
        self.passthrough = options.passthrough
        self.awake = False
        self._muted = None
        self.sink = sink
        self.options = options
        # Re-entrant: a signal handler or a __del__ may print while this thread holds it.
        self._lock = RLock()
        self._assembler: LineAssembler | None = None
        self._admission: Admission | None = None
        self._unsent: list[LogLine] = []
        self._delivering: Sequence[LogLine] = ()
        self._closed = False

    # -- the executor's side ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self.thread or self._closed:
            raise InvalidStateError(
                f"the capture scope of step {self.identity.step!r} was entered before",
                state="closed" if self._closed else "open",
                hint="Make a new CaptureScope for every pass of a body.",
            )
        self.thread = threading.get_ident()
        self.captures = True
        HOOKS.acquire()
        _live.add(self)
        self._token = ROUTE.set(self if self.options.enabled else None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        token, self._token = self._token, None
        if token is not None:
            try:
                ROUTE.reset(token)
            except ValueError:  # left in another context than it was entered in: a generator driven by several tasks
                ROUTE.set(None)

    def close(self) -> None:
        """Capture nothing more; from any thread, any number of times, also while an abandoned body still runs."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if not self.captures:
                return
            left = self._end()
            if left or self._assembler is not None:
                self._assemble(left)
                assert self._assembler is not None
                self._admit(self._assembler.finish())
            if self._admission is not None and self._admission.dropped:
                self._unsent.append(self._admission.last_word(self.options.clock.now_us()))
        _live.discard(self)
        HOOKS.release()

    def drain(self, timeout: float = _DRAIN_SECONDS) -> list[LogLine]:
        """Take the lines that no sink has stored yet; they are the caller's to write.

        Lines on their way to the sink are waited for, ``timeout`` seconds at most. Call it before opening the
        transaction: a sink that waits for that transaction could not finish.
        """
        if self._closed and not (self._delivering or self._unsent):
            return []
        with self._lock:
            self._assemble(self.events)
            if self._delivering and self._delivered is not None:
                self._delivered.wait_for(lambda: not self._delivering, timeout)
            lines, self._unsent = self._unsent, []
            return lines

    def flush(self) -> None:
        """Hand everything unsent to the sink now, in this thread; raise what it raises and keep the lines then."""
        lines = self.drain()
        if not lines:
            return
        try:
            self.sink.write(lines)
        except BaseException:
            with self._lock:
                self._unsent[:0] = lines
            raise

    def discard(self) -> int:
        """Close and forget what is unsent, for an attempt that lost its lease; return how many lines that were."""
        self.close()
        return len(self.drain())

    @property
    def logger(self) -> logging.Logger:
        """``durable.<workflow>.<step>``, which lets through what the scope's level lets through."""
        if self._logger is None:
            names = ("durable", self.identity.workflow, self.identity.step)
            self._logger = logging.getLogger(".".join(name for name in names if name))
            if self._logger.level != self.options.level:
                self._logger.setLevel(self.options.level)
        return self._logger

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is captured."""
        return self._closed

    @property
    def dropped(self) -> int:
        """How many lines the caps have dropped so far."""
        return 0 if self._admission is None else self._admission.dropped

    @property
    def sink_errors(self) -> int:
        """How often the sink has failed."""
        return self._sink_errors

    @property
    def last_sink_error(self) -> Exception | None:
        """What the sink raised last."""
        return self._last_sink_error

    @property
    def route(self) -> Route | None:
        """Where hooks leave events for this scope; None before it is entered."""
        return self if self.thread else None

    # -- the flusher's side -------------------------------------------------------------------------------------------

    def begin_delivery(self, now: float) -> list[LogLine]:
        """The lines to write now; ``end_delivery`` must follow when there are any."""
        with self._lock:
            if not self.captures:
                return []
            # First: an event put after this line asks again, an event put before it is taken below.
            self.awake = False
            self._assemble(self.events)
            if self._assembler is not None:
                self._admit(self._assembler.aged(now))
            if not self._unsent or now < self._retry_at:
                return []
            if self._delivered is None:
                self._delivered = threading.Condition(self._lock)
            lines = self._delivering = self._unsent
            self._unsent = []
            return lines

    def end_delivery(self, error: Exception | None, now: float) -> None:
        """Say whether the lines were written; else they are kept for the next time."""
        with self._lock:
            if error is None:
                self._sink_errors_in_a_row = 0
            else:
                self._unsent[:0] = self._delivering  # before they leave there: `drain` looks without the lock
                self._last_sink_error = error
                self._retry_at = now + _RETRY_SECONDS[min(self._sink_errors_in_a_row, len(_RETRY_SECONDS) - 1)]
                self._sink_errors += 1
                self._sink_errors_in_a_row += 1
            self._delivering = ()
            if self._delivered is not None:
                self._delivered.notify_all()

    def needs_delivery(self) -> bool:
        """Whether lines, or beginnings of lines, still wait here."""
        with self._lock:
            if not self.captures:
                return False
            waits = bool(self._unsent or (self._assembler is not None and self._assembler.has_partials))
            if waits:
                self.awake = True
            return waits

    # -- inside -------------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Let the flusher come."""
        if self.captures:
            self.awake = True
            FLUSHER.ask(self)

    def relieve(self) -> None:
        """Assemble in the writer's own thread: it writes faster than the flusher gets to run."""
        with self._lock:
            self._assemble(self.events)

    def _end(self) -> deque[Event]:
        """What is still written goes to the real streams alone; returns what was written last."""
        self.put = ignore
        left, self.events = self.events, deque()
        self.captures = False
        self.passthrough = True
        self.awake = True
        self._muted = None
        return left

    def _assemble(self, events: deque[Event]) -> None:
        # A signal handler that prints may come back here in the midst of it.
        if events and not self._assembling:
            self._assembling = True
            try:
                if self._assembler is None:
                    self._assembler = LineAssembler(self.stamp)
                    self._assembler.thread = self.thread
                self._admit(self._assembler.feed(events))
            finally:
                self._assembling = False

    def _admit(self, entries: list[Entry] | Printed) -> None:
        if entries:
            if self._admission is None:
                self._admission = Admission(self.identity, self.options)
            self._unsent += self._admission.admit(entries)

    def _abandon(self) -> None:
        """Capture nothing in a forked child: the lines of this scope are the parent's to store."""
        self._lock = RLock()
        self._closed = True
        self._unsent, self._delivering = [], ()
        self._end()


def current_scope() -> CaptureScope | None:
    """The scope the running code belongs to; None outside steps."""
    route = ROUTE.get()
    return route if isinstance(route, CaptureScope) and route.captures else None


def _abandon_all() -> None:
    for scope in list(_live):
        scope._abandon()
    _live.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
