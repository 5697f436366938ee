"""One captured line, whose it is, and where lines go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Literal, NamedTuple, Protocol

from durable_core.clock import iso

__all__ = ["AttemptIdentity", "LogLine", "LogSink", "Source", "make_line", "make_lines"]

Source = Literal["logger", "stdout", "stderr", "warning"]


class AttemptIdentity(NamedTuple):
    """The pass of a body that lines belong to (L-1)."""

    execution_id: str
    token: str
    path: str
    step: str
    iteration: str = ""
    attempt: int = 1
    pass_number: int = 1
    workflow: str = ""
    """Names the logger of the step; no part of a line."""


class LogLine(NamedTuple):
    """A line as it is stored: masked, valid UTF-8 without NUL, within its caps; ``seq`` counts from 1 in its pass."""

    execution_id: str
    token: str
    path: str
    step: str
    iteration: str
    attempt: int
    pass_number: int
    seq: int
    at_us: int
    level: str
    source: Source
    logger: str | None
    message: str
    metadata: Mapping[str, Any] | None

    def as_record(self) -> dict[str, Any]:
        """The line in the shape that ``logs --json`` prints."""
        return {
            "timestamp": iso(self.at_us),
            "level": self.level,
            "source": self.source,
            "logger": self.logger,
            "message": self.message,
            "metadata": self.metadata,
            "step": self.step,
            "path": self.path,
            "attempt": self.attempt,
            "pass_number": self.pass_number,
        }


def make_line(values: tuple[Any, ...]) -> LogLine:
    """A LogLine of its fields in their order, for where one is made for every line that is printed."""
    return tuple.__new__(LogLine, values)


def make_lines(values: Iterable[tuple[Any, ...]]) -> list[LogLine]:
    """Many of them, with no code of ours for each."""
    return list(map(tuple.__new__, repeat(LogLine), values))


class LogSink(Protocol):
    """Where lines go while a step runs; called from one thread, with lines of several executions in one batch."""

    def write(self, batch: list[LogLine], /) -> None:
        """Store the batch, save for lines whose token is fenced; raise when that failed, to be asked again."""
        ...
