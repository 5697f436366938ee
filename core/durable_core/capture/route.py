"""Where the output of the code that runs now goes: one context variable, read by every hook."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from durable_core.capture.line import AttemptIdentity

__all__ = ["BACKLOG", "LARGE", "ROUTE", "Event", "Route", "ignore"]

BACKLOG: Final = 8192
"""Events that may wait for the flusher before a writer has to assemble lines itself."""

LARGE: Final = 32 * 1024
"""Characters or bytes of one write that are not left waiting in memory."""

Event = tuple[Any, ...]
"""What a hook leaves for the assembler, as cheap as it can be made:

``("stdout" | "stderr", writer, text or bytes, at_us)`` or ``("logger" | "warning", level, logger, message, metadata,
at_us)``."""


def ignore(event: Event) -> None:
    """Take an event of code that outlived its step, or of a handler that prints a record that is captured already."""


class Route:
    """The open end of one scope: where hooks put events, without knowing lines, caps or sinks.

    Writing takes no lock: a deque's append is atomic, and the text is put together into lines off the step's own path.
    """

    __slots__ = (
        "_muted",
        "awake",
        "backlog",
        "identity",
        "level",
        "now",
        "owner",
        "passthrough",
        "put",
        "relieve",
        "wake",
    )

    def __init__(
        self,
        identity: AttemptIdentity | None,
        *,
        owner: Any = None,
        put: Callable[[Event], None],
        now: Callable[[], int],
        wake: Callable[[], None],
        relieve: Callable[[], None],
        backlog: Callable[[], int],
        level: int,
        passthrough: bool,
    ) -> None:
        self.identity = identity
        self.owner = owner
        self.put = put
        self.now = now
        self.wake = wake
        self.relieve = relieve
        self.backlog = backlog
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

    @property
    def captures(self) -> bool:
        """Whether this is the inside of a step, and not a handler's or a past step's."""
        return self.identity is not None

    def send(self, event: Event, size: int = 0) -> None:
        """Leave an event of ``size`` characters or bytes."""
        self.put(event)
        if not self.awake:
            self.wake()
        elif size > LARGE or self.backlog() > BACKLOG:
            self.relieve()

    def end(self) -> None:
        """Capture nothing more; what is still written goes to the real streams alone."""
        self.put = ignore
        self.identity = None
        self.owner = None
        self.passthrough = True
        self.awake = True
        self._muted = None


def quiet(passthrough: bool) -> Route:
    """A route that captures nothing."""
    route = Route(
        None, put=ignore, now=int, wake=_nothing, relieve=_nothing, backlog=int, level=0, passthrough=passthrough
    )
    route.awake = True
    return route


def _nothing() -> None:
    """Nobody waits for what is not captured."""


ROUTE: Final[ContextVar[Route | None]] = ContextVar("durable_capture", default=None)
