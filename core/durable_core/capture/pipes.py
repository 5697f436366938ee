"""Two pipes for a child process, whose lines become lines of the step."""

from __future__ import annotations

import codecs
import os
import sys
import threading
from contextvars import Context
from types import TracebackType
from typing import Final, Literal, Self

from durable_core.capture.route import ROUTE, Route
from durable_core.capture.scope import CaptureScope, current_scope
from durable_core.errors import InvalidStateError

__all__ = ["CapturePipe", "capture_pipe", "pass_on"]

_CHUNK: Final = 32 * 1024
_END_SECONDS: Final = 1.0
"""How long the end of the output is waited for: a grandchild that keeps the pipe open must not hold the step."""


class CapturePipe:
    """File descriptors to start a child with; leaving the block waits until what it wrote is read.

    ``subprocess.run(command, stdout=pipe.stdout, stderr=pipe.stderr)``. Chunks of both streams are kept apart, so
    their order among each other is that of reading.
    """

    def __init__(self, scope: CaptureScope) -> None:
        route = scope.route
        if route is None or not route.captures:
            raise InvalidStateError(
                f"the capture scope of step {scope.identity.step!r} is not open",
                state="closed" if scope.is_closed else "new",
                hint="Make the pipe inside the running step.",
            )
        self._readers: list[threading.Thread] = []
        self._ends: list[int] = []
        self.stdout = self._open("stdout", route)
        self.stderr = self._open("stderr", route)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close_child_ends(self) -> None:
        """Close this process's copies of the writing ends; the readers end with the last process that holds them."""
        ends, self._ends = self._ends, []
        for end in ends:
            os.close(end)

    def close(self, timeout: float = _END_SECONDS) -> bool:
        """Close and wait for the end of the output, ``timeout`` seconds for each stream; return whether it came."""
        self.close_child_ends()
        for reader in self._readers:
            reader.join(timeout)
        return not any(reader.is_alive() for reader in self._readers)

    def _open(self, source: Literal["stdout", "stderr"], route: Route) -> int:
        reading, writing = os.pipe()
        reader = threading.Thread(
            target=_read, args=(reading, source, route), name=f"durable-{source}-pipe", daemon=True
        )
        # In a context of its own: it writes for the step by the route it is given.
        Context().run(reader.start)
        self._readers.append(reader)
        self._ends.append(writing)
        return writing


def capture_pipe(scope: CaptureScope | None = None) -> CapturePipe:
    """Pipes whose lines go to ``scope``, or to the step that runs now."""
    scope = scope or current_scope()
    if scope is None:
        raise InvalidStateError(
            "capture_pipe() was called outside a step",
            state="outside",
            hint="Pass the capture scope, or call it in a step.",
        )
    return CapturePipe(scope)


def _read(reading: int, source: Literal["stdout", "stderr"], route: Route) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    writer = object()
    try:
        while data := os.read(reading, _CHUNK):
            route.send((source, writer, data, route.stamp()), len(data) + 1)
            if route.passthrough:
                pass_on(source, decoder.decode(data), route)
    finally:
        os.close(reading)


def pass_on(source: str, text: str, route: Route) -> None:
    """Give the worker's own stream a text that is captured by other means; from a thread of one's own."""
    # Muted: the step's stream, with its care for streams that fail, and nothing captured twice.
    ROUTE.set(route.muted)
    stream = getattr(sys, source, None)
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):  # the worker's terminal or pipe is gone; the text is captured
        return
