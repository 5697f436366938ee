"""``run --watch`` and ``watch`` on a terminal: the graph as it fills with colour, the log beside or under it."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from durable_core.errors import InvalidStateError
from durable_studio.command.frame import Frames, Row
from durable_studio.command.output import safe
from durable_studio.command.terminal import Region, terminal_size

if TYPE_CHECKING:
    from durable_core.engine.engine import Engine
    from durable_core.live.view import ExecutionView
    from durable_core.query.executions import ExecutionRecord
    from durable_studio.command.watching import Leave

TICK_SECONDS: Final = 0.2
"""How often times go on while nothing else changes."""


LOGGERS: Final = ("durable", "durable_studio")


def speaks_ascii_only() -> bool:
    """Whether stdout has no characters for boxes."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "╭◐✔".encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return True
    return False


class _Notices(logging.Handler):
    """What the library itself has to say: written by anyone else it would tear the picture."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: deque[str] = deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(safe(record.getMessage()))

    def taken(self) -> list[Row]:
        """What was said since the last time, to stay above the picture."""
        rows: list[Row] = []
        while self._said:
            rows.append([(self._said.popleft(), "dim")])
        return rows


@contextlib.contextmanager
def _notices() -> Iterator[_Notices]:
    notices = _Notices()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addHandler(notices)
    try:
        yield notices
    finally:
        for logger in loggers:
            logger.removeHandler(notices)


def show_picture(
    engine: Engine, execution_id: str, leave: Leave | None = None, *, ascii: bool = False
) -> ExecutionRecord:
    """Show the execution until it has ended, or `leave` says so, and leave its last picture behind."""
    frames = Frames(ascii=ascii or speaks_ascii_only())
    view: ExecutionView | None = None
    with engine.watch(execution_id) as watch, _notices() as notices, Region() as region:
        seen_at = time.monotonic()
        pause = TICK_SECONDS
        try:
            while not watch.over:
                newer = watch.next_within(pause)
                if newer is not None:
                    view, seen_at = newer, time.monotonic()
                if view is None or view.is_terminal:
                    continue
                begun, size = time.monotonic(), terminal_size()
                now = view.at + timedelta(seconds=time.monotonic() - seen_at)
                region.draw(frames.live(view, now, size), size, notices.taken())
                # a picture of very many attempts takes its time: the steps in this process need theirs
                pause = max(TICK_SECONDS, 4 * (time.monotonic() - begun))
                if "blocked" in view.flags:
                    raise InvalidStateError(
                        f"Execution {execution_id} is blocked: {view.reason}",
                        state="blocked",
                        hint=f"See: durable-studio status {execution_id}",
                    )
                if leave is not None and leave(view, region.rest):
                    break
        finally:
            if view is not None and (view.is_terminal or not region.resting):
                size = terminal_size()
                region.finish(frames.final(view, size), size, notices.taken())
    return engine.get_execution(execution_id).record()
