"""In the worker: what a body in another process tells, as output of its step, and its answer."""

from __future__ import annotations

import json
import os
import threading
from contextvars import Context
from typing import Any, Final

from durable_core.capture.pipes import pass_on
from durable_core.capture.scope import CaptureScope
from durable_core.secret import remember_secret

_END_SECONDS: Final = 2.0
"""How long the end of the channel is waited for once the process is gone."""


class Listener:
    """The reading end of the channel of one process; a thread takes in what comes, while it comes."""

    def __init__(self, scope: CaptureScope, *, capture: bool) -> None:
        self._route = scope.route
        self._capture = capture
        self._reading, self.handle = os.pipe()
        self._answer: str | None = None
        self._thread = threading.Thread(target=self._listen, name="durable-isolated-step", daemon=True)

    def begin(self) -> None:
        """Listen; the process has its own copy of the handle by now."""
        os.close(self.handle)
        # In a context of its own: it writes for the step by the route it is given.
        Context().run(self._thread.start)

    def answer(self) -> str | None:
        """What the body came to, once its process has ended; None when it ended without a word."""
        self._thread.join(_END_SECONDS)  # a grandchild may hold the other end for ever
        return self._answer

    def _listen(self) -> None:
        with os.fdopen(self._reading, "rb") as lines:
            for line in lines:
                try:
                    kind, *rest = json.loads(line)
                except ValueError:  # cut off in its midst by a kill
                    return
                match kind:
                    case "event":
                        self._event(*rest)
                    case "passed":
                        self._pass_on(*rest)
                    case "secrets":
                        for text in rest[0]:
                            remember_secret(text)
                    case "answer":
                        self._answer = rest[0]

    def _event(self, source: str, *facts: Any) -> None:
        if source not in ("stdout", "stderr"):
            self._take((source, *facts), len(facts[2]))
            if source == "warning":
                self._pass_on("stderr", f"{facts[2]}\n")
            return
        writer, text, at_ns, *of_bytes = facts
        data = text.encode("latin-1") if of_bytes else text
        self._take((source, ("isolated", writer), data, at_ns), len(data))
        self._pass_on(source, data.decode("utf-8", "replace") if of_bytes else text)

    def _take(self, event: tuple[Any, ...], size: int) -> None:
        if self._capture and self._route is not None:
            self._route.send(event, size)

    def _pass_on(self, source: str, text: str) -> None:
        if self._route is not None and self._route.passthrough:
            pass_on(source, text, self._route)
