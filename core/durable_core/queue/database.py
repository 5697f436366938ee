"""The queue that is the tokens table itself: a claim is one durable commit, and no message can get lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from durable_core.clock import seconds_to_us
from durable_core.failpoints import failpoint
from durable_core.ids import check_name
from durable_core.queue.protocol import Claimed, ClaimRequest, Hint, QueueStats
from durable_core.store import claims
from durable_core.store import statements as sql
from durable_core.store.ahead import lock_and_catch_up
from durable_core.store.commit import Committer
from durable_core.store.transaction import Transaction

# What is asked to stop, or whose execution is paused, is not to run again: its worker or the sweep settles it.
_FREE_TO_GO: Final = """
    AND stop = 0 AND EXISTS (SELECT 1 FROM executions WHERE executions.id = tokens.execution_id AND control = 0)"""

_RELEASE: Final = sql.RELEASE_TOKEN + _FREE_TO_GO

_RELEASE_LATER: Final = f"""
UPDATE tokens SET status = 'ready', worker_id = NULL, lease_until = NULL, fence = fence + 1, available_at = :at
WHERE id = :id AND fence = :fence AND status = 'running'{_FREE_TO_GO}"""

_RESCHEDULE: Final = """
UPDATE tokens SET available_at = :at WHERE id = :id AND status IN ('ready', 'retry')"""

_SET_PAUSED: Final = """
INSERT INTO queues (name, paused, updated_at) VALUES (:queue, :paused, :now)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, updated_at = excluded.updated_at"""

_STATS: Final = """
SELECT COUNT(*) FILTER (WHERE status = 'ready' AND available_at <= :now),
       COUNT(*) FILTER (WHERE status = 'running'),
       COUNT(*) FILTER (WHERE status = 'retry' OR (status = 'ready' AND available_at > :now)),
       MIN(available_at) FILTER (WHERE status = 'ready'),
       (SELECT paused FROM queues WHERE name = :queue)
FROM tokens WHERE queue = :queue AND status IN ('ready', 'running', 'retry')"""


class DatabaseQueue:
    """Claims from the rows. Telling it of a token only wakes the workers of this process, through `wake`."""

    __slots__ = ("_committer", "_wake")

    def __init__(self, committer: Committer, wake: Callable[[], None] | None = None) -> None:
        self._committer = committer
        self._wake = wake

    def enqueue(self, hints: Sequence[Hint]) -> None:
        """The rows are there already."""
        if hints and self._wake is not None:
            self._wake()

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Look first, in a read, so that idle workers write nothing; then take, in one commit."""
        if not request.workflows or not request.free:
            return []
        with self._committer.database.read() as tx:
            if not claims.work_waits(tx, list(request.free), request.workflows):
                return []
        failpoint("before_claim", request.worker_id)
        taken: list[claims.Taken] = self._committer.run(lambda tx: self._take(tx, request))
        # RETURNING has no order; sort is stable, so equal ones stay as they were
        taken.sort(key=lambda each: (-each.priority, each.available_at))
        return [
            Claimed(
                token_id=each.token_id,
                execution_id=each.execution_id,
                fence=each.fence,
                workflow=each.workflow,
                queue=each.queue,
                priority=each.priority,
                available_at=each.available_at,
            )
            for each in taken
        ]

    def _take(self, tx: Transaction, request: ClaimRequest) -> list[claims.Taken]:
        taken = claims.claim(tx, request.worker_id, request.free, request.workflows, request.lease_us)
        if taken:
            failpoint("inside_claim", request.worker_id)
        return taken

    def ack(self, claimed: Claimed) -> None:
        """Give back what is still held under this fence: a record has ended the hold, or nothing was recorded."""
        self._release(claimed)

    def nack(self, claimed: Claimed, delay: timedelta = timedelta(0)) -> bool:
        """Back to ready, now or after `delay`, under a higher fence; False too for what is asked to stop or pause."""
        return self._release(claimed, seconds_to_us(delay.total_seconds()))

    def _release(self, claimed: Claimed, later: int = 0) -> bool:
        key = {"id": claimed.token_id, "fence": claimed.fence}

        def release(tx: Transaction) -> bool:
            lock_and_catch_up(tx, claimed.execution_id)
            statement = _RELEASE_LATER if later > 0 else _RELEASE
            return bool(tx.execute(statement, {**key, "at": tx.now() + later}))

        return bool(self._committer.run(release))

    def reschedule(self, token_id: str, available_at: int) -> bool:
        """Sets when the token is due, if it is ready or between two attempts."""
        row = {"id": token_id, "at": available_at}
        return bool(self._committer.run(lambda tx: tx.execute(_RESCHEDULE, row)))

    def stats(self, queue: str) -> QueueStats:
        """Counted from the rows."""
        with self._committer.database.read() as tx:
            now = tx.now()
            row = tx.fetch_one(_STATS, {"queue": queue, "now": now})
        assert row is not None  # an aggregate always has its row
        depth, running, scheduled, oldest, paused = row
        return QueueStats(
            queue=queue,
            depth=depth,
            running=running,
            scheduled=scheduled,
            paused=bool(paused),
            oldest_age=timedelta(microseconds=now - oldest) if depth else None,
        )

    def pause(self, queue: str) -> None:
        """Stored, so it holds for the workers of every process and over restarts."""
        self._set_paused(queue, True)

    def resume(self, queue: str) -> None:
        """Stored; wakes the workers of this process."""
        self._set_paused(queue, False)
        if self._wake is not None:
            self._wake()

    def _set_paused(self, queue: str, paused: bool) -> None:
        row = {"queue": check_name(queue, "queue"), "paused": int(paused)}
        self._committer.run(lambda tx: tx.execute(_SET_PAUSED, {**row, "now": tx.now()}))
