"""In the other process: what the body prints, logs and warns, told to the worker at once."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

from durable_core.capture.hooks import HOOKS
from durable_core.capture.line import AttemptIdentity
from durable_core.capture.route import ROUTE, Event, Route
from durable_core.secret import known_secret_texts

_WHOLE: Final = threading.Lock()


class Channel:
    """One JSON document a line, on a pipe of its own: events as they happen, and at the end the answer."""

    def __init__(self, handle: int) -> None:
        os.set_inheritable(handle, False)
        self._handle = handle
        self._secrets: tuple[str, ...] = ()

    def send(self, *message: Any) -> None:
        """Tell it now; nothing is told any more when the worker is gone."""
        data = (json.dumps(message) + "\n").encode()
        with _WHOLE, suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._handle, data) :]

    def event(self, event: Event) -> None:
        """Tell one event; secrets that the body revealed before it first: they are masked over there."""
        if self._secrets is not known_secret_texts():
            self._secrets = known_secret_texts()
            self.send("secrets", self._secrets)
        assert isinstance(event, tuple)
        if event[0] in ("stdout", "stderr") and not isinstance(event[2], str):
            source, writer, data, at_ns = event
            self.send("event", source, writer, data.decode("latin-1"), at_ns, "bytes")
        else:
            self.send("event", *event)

    def passed(self, event: Event) -> None:
        """Tell a text that is captured in another form already: what a handler made of a record."""
        assert isinstance(event, tuple)
        if event[0] in ("stdout", "stderr"):
            text = event[2] if isinstance(event[2], str) else event[2].decode("utf-8", "replace")
            self.send("passed", event[0], text)


def open_output(channel: Channel, level: int) -> None:
    """Capture everything from now on, until the process ends."""
    route = _route(channel.event, level)
    # A body that is found by import brings its module's handlers along: they must meet the captured streams.
    HOOKS.acquire()
    route.become_muted(_route(channel.passed, level, captures=False))
    ROUTE.set(route)


def _route(put: Any, level: int, *, captures: bool = True) -> Route:
    route = Route(
        AttemptIdentity(execution_id="", token="", path="", step=""),
        captures=captures,
        events=deque(),
        stamp=time.time_ns,
        wake=_nothing,
        relieve=_nothing,
        level=level,
        passthrough=False,
    )
    route.put = put
    route.awake = True
    return route


def _nothing() -> None:
    """Everything was told when it was put."""
