"""Scopes to capture into, and a sink that says when lines arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from durable_core.capture import AttemptIdentity, CaptureOptions, CaptureScope, LogLine

PATIENCE = 10.0
"""Seconds a test waits for what comes within milliseconds."""


class ListSink:
    """Keeps lines; refuses the first ``failures`` batches."""

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[list[LogLine]] = []
        self.failures = failures
        self._changed = threading.Condition()

    def write(self, batch: list[LogLine], /) -> None:
        with self._changed:
            if self.failures:
                self.failures -= 1
                raise OSError("the store is away")
            self.batches.append(list(batch))
            self._changed.notify_all()

    @property
    def lines(self) -> list[LogLine]:
        return [line for batch in self.batches for line in batch]

    def wait_for(self, arrived: Callable[[list[LogLine]], bool]) -> list[LogLine]:
        with self._changed:
            assert self._changed.wait_for(lambda: arrived(self.lines), PATIENCE), self.lines
            return self.lines


def identity(execution_id: str = "e1", **fields: Any) -> AttemptIdentity:
    return AttemptIdentity(
        **{"execution_id": execution_id, "token": "t1", "path": "flow/charge", "step": "charge", **fields}
    )


def scope(execution_id: str = "e1", *, sink: ListSink | None = None, **options: Any) -> CaptureScope:
    return CaptureScope(identity(execution_id), sink or ListSink(), CaptureOptions(**options))


def captured(body: Callable[[], object], **options: Any) -> list[LogLine]:
    """Every line of a body."""
    opened = scope(**options)
    with opened:
        body()
    return lines_of(opened)


def lines_of(opened: CaptureScope) -> list[LogLine]:
    """Every line of a scope that was closed."""
    rest = opened.drain()
    assert isinstance(opened.sink, ListSink)
    return opened.sink.lines + rest


def messages(lines: Sequence[LogLine]) -> list[str]:
    return [line.message for line in lines]
