"""Where the output of the code that runs now goes: one context variable, read by every hook."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from durable_core.capture.line import AttemptIdentity

__all__ = ["BACKLOG", "LARGE", "ROUTE", "Event", "Route", "ignore"]

BACKLOG: Final = 32 * 1024
"""Events that may wait for the flusher before a writer has to assemble lines itself."""

LARGE: Final = 2 * 1024
"""Characters or bytes of one write that are not left waiting in memory."""

Event = tuple[Any, ...] | str | int
"""What a hook leaves for the assembler, as cheap as it can be made. Nearly all is printed by the step's own thread: a
piece of a line as the text that it is, the end of the line as its time in nanoseconds. Everything else is told apart:

``("stdout" | "stderr", writer, text or bytes, at_ns)`` or ``("logger" | "warning", level, logger, message, metadata,
at_ns)``."""


def ignore(event: Event) -> None:
    """Take an event of code that outlived its step, or of a handler that prints a record that is captured already."""


class Route:
    """Where hooks put events, without knowing lines, caps or sinks: a scope, or nobody.

    Writing takes no lock: a deque's append is atomic, and the text is put together into lines off the step's own path.
    """

    __slots__ = (
        "_muted",
        "awake",
        "captures",
        "events",
        "identity",
        "level",
        "passthrough",
        "put",
        "relieve",
        "stamp",
        "thread",
        "wake",
    )

    def __init__(
        self,
        identity: AttemptIdentity | None,
        *,
        captures: bool,
        events: deque[Event],
        stamp: Callable[[], int],
        thread: int = 0,
        wake: Callable[[], None],
        relieve: Callable[[], None],
        level: int,
        passthrough: bool,
    ) -> None:
        self.identity = identity
        self.captures = captures
        """Whether this is the inside of a step, and not a handler's or a past step's."""
        self.events = events
        self.put: Callable[[Event], None] = events.append
        self.stamp = stamp
        self.thread = thread
        """Whose texts on stdout come without a word on who wrote them."""
        self.wake = wake
        self.relieve = relieve
        self.level = level
        self.passthrough = passthrough
        self.awake = False
        self._muted: Route | None = None

    @property
    def muted(self) -> Route:
        """The same place with nothing captured, for code that shows what is captured already."""
        if self._muted is None:
            self._muted = quiet(self.passthrough)
        return self._muted

    def become_muted(self, muted: Route) -> None:
        """Let that route take what is captured already."""
        self._muted = muted

    def send(self, event: Event, size: int = 0) -> None:
        """Leave an event of ``size`` characters or bytes."""
        self.put(event)
        if not self.awake:
            self.wake()
        elif size > LARGE or len(self.events) > BACKLOG:
            self.relieve()


def quiet(passthrough: bool) -> Route:
    """A route that captures nothing."""
    route = Route(
        None,
        captures=False,
        events=deque(),
        stamp=int,
        wake=_nothing,
        relieve=_nothing,
        level=0,
        passthrough=passthrough,
    )
    route.put = ignore
    route.awake = True
    return route


def _nothing() -> None:
    """Nobody waits for what is not captured."""


ROUTE: Final[ContextVar[Route | None]] = ContextVar("durable_capture", default=None)
