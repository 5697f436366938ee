"""A queue in this process alone: a heap for each queue, for tests and for what needs no store."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from durable_core.clock import SYSTEM_CLOCK, Clock, seconds_to_us
from durable_core.ids import check_name
from durable_core.queue.protocol import Claimed, ClaimRequest, Hint, QueueStats

_Place = tuple[int, int, int, str]
"""(-priority, due, order of arrival, token): what the heaps sort by."""


@dataclass(slots=True)
class _Entry:
    """What a token's row is to the database queue."""

    hint: Hint
    due: int
    arrived: int
    status: Literal["ready", "running"] = "ready"
    fence: int = 0

    def place(self) -> _Place:
        return (-self.hint.priority, self.due, self.arrived, self.hint.token_id)


class MemoryQueue:
    """Keeps what it is told until it is acknowledged; gone with the process."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._ready: dict[str, list[_Place]] = {}
        """Heaps of those that were due when last looked at; places that no longer hold are skipped."""
        self._later: dict[str, list[tuple[int, _Place]]] = {}
        self._paused: set[str] = set()
        self._arrivals = itertools.count()

    def enqueue(self, hints: Sequence[Hint]) -> None:
        """Remember tokens; one that is known already stays as it is."""
        now = self._clock.now_us()
        with self._lock:
            for hint in hints:
                if hint.token_id in self._entries:
                    continue
                due = now if hint.available_at is None else hint.available_at
                entry = self._entries[hint.token_id] = _Entry(hint, due, next(self._arrivals))
                self._line_up(entry)

    def _line_up(self, entry: _Entry) -> None:
        heapq.heappush(self._later.setdefault(entry.hint.queue, []), (entry.due, entry.place()))

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Take from each heap, under one lock."""
        now = self._clock.now_us()
        served = frozenset(request.workflows)
        with self._lock:
            taken = [
                claimed
                for queue, limit in request.free.items()
                if queue not in self._paused
                for claimed in self._take(queue, limit, served, now)
            ]
        taken.sort(key=lambda each: (-each.priority, each.available_at))
        return taken

    def _take(self, queue: str, limit: int, served: frozenset[str], now: int) -> list[Claimed]:
        ready, later = self._ready.setdefault(queue, []), self._later.get(queue, [])
        while later and later[0][0] <= now:
            heapq.heappush(ready, heapq.heappop(later)[1])
        taken: list[Claimed] = []
        passed_over: list[_Place] = []
        while ready and len(taken) < limit:
            place = heapq.heappop(ready)
            entry = self._entries.get(place[3])
            if entry is None or entry.status != "ready" or entry.place() != place:
                continue  # claimed, acknowledged or rescheduled since
            if entry.hint.workflow not in served:
                passed_over.append(place)
                continue
            entry.status = "running"
            entry.fence += 1
            taken.append(_claimed(entry))
        for place in passed_over:
            heapq.heappush(ready, place)
        return taken

    def _held(self, claimed: Claimed) -> _Entry | None:
        entry = self._entries.get(claimed.token_id)
        return entry if entry is not None and entry.status == "running" and entry.fence == claimed.fence else None

    def ack(self, claimed: Claimed) -> None:
        """Forget the token: here the acknowledgement is the record."""
        with self._lock:
            if self._held(claimed) is not None:
                del self._entries[claimed.token_id]

    def nack(self, claimed: Claimed, delay: timedelta = timedelta(0)) -> bool:
        """Back in line, at its old place or after `delay`."""
        with self._lock:
            entry = self._held(claimed)
            if entry is None:
                return False
            entry.status = "ready"
            entry.fence += 1
            if delay > timedelta(0):
                entry.due = self._clock.now_us() + seconds_to_us(delay.total_seconds())
            self._line_up(entry)
            return True

    def reschedule(self, token_id: str, available_at: int) -> bool:
        """Another place in line."""
        with self._lock:
            entry = self._entries.get(token_id)
            if entry is None or entry.status != "ready":
                return False
            if entry.due != available_at:
                entry.due = available_at
                self._line_up(entry)
            return True

    def stats(self, queue: str) -> QueueStats:
        """Counted from what is kept."""
        with self._lock:
            now = self._clock.now_us()
            own = [entry for entry in self._entries.values() if entry.hint.queue == queue]
            paused = queue in self._paused
        due = [entry.due for entry in own if entry.status == "ready" and entry.due <= now]
        return QueueStats(
            queue=queue,
            depth=len(due),
            running=sum(entry.status == "running" for entry in own),
            scheduled=sum(entry.status == "ready" and entry.due > now for entry in own),
            paused=paused,
            oldest_age=timedelta(microseconds=now - min(due)) if due else None,
        )

    def pause(self, queue: str) -> None:
        """For this object only."""
        with self._lock:
            self._paused.add(check_name(queue, "queue"))

    def resume(self, queue: str) -> None:
        """Its tokens are claimed again."""
        with self._lock:
            self._paused.discard(check_name(queue, "queue"))


def _claimed(entry: _Entry) -> Claimed:
    hint = entry.hint
    return Claimed(
        token_id=hint.token_id,
        execution_id=hint.token_id.partition(":")[0],
        fence=entry.fence,
        workflow=hint.workflow,
        queue=hint.queue,
        priority=hint.priority,
        available_at=entry.due,
    )
