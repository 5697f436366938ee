"""Watching executions: each new state as a view, and each new line of a log, as soon as it is in the store."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from durable_core.bus.messages import Message
from durable_core.engine.surface import Surface
from durable_core.errors import InputValidationError, StoreError
from durable_core.live.fetch import fetch_view
from durable_core.live.fold import Stale, fold
from durable_core.live.view import ExecutionView, set_view_graph
from durable_core.query import executions as queries
from durable_core.query import logs as lines
from durable_core.query.entry import Entry
from durable_core.status import TERMINAL, ExecutionStatus

DEFAULT_RATE: Final = 10.0
"""Views a second at most."""
LOOK_SECONDS: Final = 0.25
"""How often a watch that hears nothing asks whether this process has committed anything."""
SLOW_LOOK_SECONDS: Final = 1.0
"""How often the store is read though nobody told of a change: messages may be lost."""
QUEUED: Final = 256
"""Events kept for folding; beyond, one look at the store is cheaper."""
LOG_GATHER_SECONDS: Final = 0.03
PAGE: Final = 1_000
"""Lines read at once."""
LATE_SECONDS: Final = 2.0
"""How long after a line others with a smaller number may still appear (PostgreSQL)."""


class Signal:
    """Wakes whoever waits for changes of one execution, in a thread or in an event loop."""

    def __init__(self, engine: Surface, execution_id: str) -> None:
        self.execution_id = execution_id
        self.events: deque[Message] = deque(maxlen=QUEUED + 1)
        self.stale = False
        """Something changed that no event tells of."""
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._asleep: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        stops = [engine.bus.subscribe(self._hear, execution_id), engine.changes.subscribe(self._hear_others)]
        self._stops: list[Any] = stops

    def _hear(self, message: Message) -> None:
        self.events.append(message)
        self.wake()

    def _hear_others(self, ids: frozenset[str] | None) -> None:
        if ids is None or self.execution_id in ids:
            self.stale = True
            self.wake()

    def wake(self) -> None:
        self._woken.set()
        with self._lock:
            asleep, self._asleep = self._asleep, None
        if asleep is not None:
            loop, event = asleep
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def taken(self) -> tuple[list[Message], bool]:
        """What was heard since the last time, and whether more changed than that."""
        self._woken.clear()
        stale, self.stale = self.stale, False
        found = []
        while self.events:
            found.append(self.events.popleft())
        return found, stale or len(found) > QUEUED

    def wait(self, seconds: float) -> bool:
        return self._woken.wait(seconds)

    async def wait_async(self, seconds: float) -> bool:
        event = asyncio.Event()
        with self._lock:
            self._asleep = (asyncio.get_running_loop(), event)
        if not self._woken.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                return False
        return True

    def close(self) -> None:
        stops, self._stops = self._stops, []
        for stop in stops:
            stop()
        self.wake()


class Watch:
    """Views of one execution as it goes on, the last one when it has ended: for `for`, and for `async for`.

    The first view comes at once; of what happens in between two views only the newest state is shown. Meant for one
    reader at a time. Ends, too, when it is closed or its engine is.
    """

    def __init__(self, engine: Surface, execution_id: str, rate: float = DEFAULT_RATE) -> None:
        if not rate > 0:
            raise InputValidationError(f"rate must be above 0, got {rate}", errors={"rate": ["must be above 0"]})
        self._engine = engine
        self._interval = 1.0 / rate
        self._lock = threading.Lock()
        self._ended = False
        self._signal: Signal = Signal(engine, execution_id)
        self._finalizer = weakref.finalize(self, self._signal.close)
        self._view: ExecutionView | None = None
        self._given: ExecutionView | None = None
        self._given_at = 0.0
        self._read_at = 0.0
        self._commits = -1
        try:
            self._read(whole=True)  # there must be such an execution
        except BaseException:
            self.close()
            raise

    # --- what is new -------------------------------------------------------------------------------------------------

    def _read(self, whole: bool) -> None:
        """Bring the view up to date: fold what was heard, and look at the store once where that is not enough."""
        events, stale = self._signal.taken()
        view = self._view
        if view is not None and not (whole or stale):
            for event in events:
                following = fold(view, event)
                if isinstance(following, Stale):
                    stale = True
                    break
                view = following
        if view is None or whole or stale:
            database = self._engine.database
            self._commits, self._read_at = database.commits, time.monotonic()
            with database.read() as tx:
                view = fetch_view(tx, self._signal.execution_id, self._engine.definitions.stored, known=view)
        self._view = view

    def _look(self, heard: bool) -> None:
        """Read what there is to read, given whether a change was heard of."""
        with self._lock:
            now = time.monotonic()
            unheard = self._engine.database.commits != self._commits and now - self._read_at >= LOOK_SECONDS
            if heard:
                self._read(whole=False)
            elif unheard or now - self._read_at >= SLOW_LOOK_SECONDS:
                self._read(whole=True)

    def _news(self) -> ExecutionView | None:
        """The view, unless it was given out before."""
        view = self._view
        if view is None or view == self._given:
            return None
        self._given, self._given_at = view, time.monotonic()
        self._ended = view.is_terminal
        if self._ended:
            self.close()
        return view

    @property
    def over(self) -> bool:
        """Whether no view will come any more."""
        return self._ended or not self._finalizer.alive or self._engine.closed

    def _rest(self) -> float:
        """Seconds until the next view may be given out."""
        return self._given_at + self._interval - time.monotonic()

    # --- for and async for -------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[ExecutionView]:
        return self

    def __next__(self) -> ExecutionView:
        view = self.next_within(None)
        if view is None:
            raise StopIteration
        return view

    def next_within(self, seconds: float | None) -> ExecutionView | None:
        """The next view; None when there is none in that time, or (see `over`) none will come."""
        if self._given is None and (first := self._news()) is not None:
            return first
        until = None if seconds is None else time.monotonic() + seconds
        while not self.over:
            left = LOOK_SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                return None
            heard = self._signal.wait(min(left, LOOK_SECONDS))
            rest = self._rest()
            if rest > 0:
                time.sleep(rest)
            if self.over:
                break
            self._look(heard)
            view = self._news()
            if view is not None:
                return view
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ExecutionView:
        if self._given is None and (first := self._news()) is not None:
            return first
        while not self.over:
            heard = await self._signal.wait_async(LOOK_SECONDS)
            rest = self._rest()
            if rest > 0:
                await asyncio.sleep(rest)
            if self.over:
                break
            await asyncio.to_thread(self._look, heard)
            view = self._news()
            if view is not None:
                return view
        raise StopAsyncIteration

    # --- end ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Watch no longer; a reader that waits is told."""
        self._finalizer()

    async def aclose(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# --- logs ------------------------------------------------------------------------------------------------------------


def follow_lines(engine: Surface, execution_id: str, path: str | None, level: str | None) -> Iterator[Entry]:
    """The captured lines as they come, until the execution has ended; a look costs what is new, not what there is."""
    signal = Signal(engine, execution_id)
    cursor = _Cursor()
    try:
        while not engine.closed:
            signal.taken()
            with engine.database.read() as tx:
                # the status first: lines of its last step are stored before it ends
                status = queries.status_of(tx, execution_id)
                page = PAGE + cursor.overlap
                found = lines.lines_of(tx, execution_id, path=path, level=level, after=cursor.after, limit=page)
                late = tx.dialect == "postgres"
            yield from cursor.new(found, late=late)
            if len(found) == page:
                continue
            if status is None or ExecutionStatus(status) in TERMINAL:
                return
            if signal.wait(SLOW_LOOK_SECONDS):
                time.sleep(LOG_GATHER_SECONDS)  # a busy step writes many
    finally:
        signal.close()


class _Cursor:
    """How far a log was read. Lines that transactions of two workers write at once may become visible in any order."""

    def __init__(self) -> None:
        self.after = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._seen: set[int] = set()

    @property
    def overlap(self) -> int:
        """How many lines of the next page may have been given out before."""
        return len(self._seen)

    def new(self, found: list[Entry], *, late: bool) -> list[Entry]:
        """Those that were not given out before."""
        if not late:
            if found:
                self.after = found[-1]["id"]
            return found
        now = time.monotonic()
        fresh = [line for line in found if line["id"] not in self._seen]
        for line in fresh:
            self._seen.add(line["id"])
            self._recent.append((now, line["id"]))
        while self._recent and self._recent[0][0] < now - LATE_SECONDS:
            _, number = self._recent.popleft()
            self._seen.discard(number)
            self.after = max(self.after, number)
        return fresh


# --- pictures --------------------------------------------------------------------------------------------------------


STRUCTURES: Final = 32
"""Graphs without states that are kept: one that is drawn ten times a second is built once."""
_structures: dict[str, Any] = {}


def graph_of_view(view: ExecutionView, now: datetime | None = None) -> Any:
    """The graph of a view; reads nothing."""
    # here, because the floor of pictures is half of what an engine costs to import, and few ask for it
    from durable_core.graph import build_graph, overlay_facts
    from durable_core.query.facts import facts_of_view

    if view.definition is None:
        raise StoreError(
            f"The definition {view.definition_hash} is not in the store.",
            hint="Run `durable-studio verify` to see what else is missing.",
        )
    structure = _structures.get(view.definition_hash)
    if structure is None:
        while len(_structures) >= STRUCTURES:
            _structures.pop(next(iter(_structures)), None)
        structure = _structures[view.definition_hash] = build_graph(view.definition)
    return overlay_facts(structure, facts_of_view(view, now))


set_view_graph(graph_of_view)
