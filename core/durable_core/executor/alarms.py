"""First tokens that a worker has put to sleep, kept at hand: it wakes them with one statement, and reads nothing.

Only a shortcut: whatever is not woken here, because it is not as it was left or because the worker is gone, is claimed
like every other token that is due.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Final, NamedTuple

from durable_core.dsl.registry import registry
from durable_core.executor.claim import Claim
from durable_core.executor.holdings import Holdings
from durable_core.executor.plan import Row
from durable_core.executor.runner import Runner
from durable_core.executor.sleep_unit import SleepUnit
from durable_core.failpoints import failpoint
from durable_core.status import TokenStatus
from durable_core.store.commit import Committer
from durable_core.store.transaction import Transaction
from durable_core.store.wakes import Asleep, wake

HORIZON_US: Final = 60_000_000
"""Longer sleeps are not kept."""
MOST: Final = 4_096
MOST_BYTES: Final = 4_096
"""Of one context: all of them together stay below 16 MiB or so."""


class _Sleeper(NamedTuple):
    due: int
    number: int
    claim: Claim
    asleep: Asleep


class Alarms:
    """By due time; every method may be called from any thread."""

    def __init__(self, worker_id: str, committer: Committer, lease_us: int, holdings: Holdings, runner: Runner) -> None:
        self._worker_id = worker_id
        self._committer = committer
        self._lease_us = lease_us
        self._holdings = holdings
        self._runner = runner
        self._heap: list[_Sleeper] = []
        self._numbers = count()
        self._lock = threading.Lock()

    def keep(self, unit: SleepUnit, now: int) -> None:
        """Keep a token that was just put to sleep, if that is worth it."""
        claim = unit.plan.claim
        if unit.due - now > HORIZON_US or unit.kept_bytes > MOST_BYTES or len(self._heap) >= MOST or claim.stopped:
            return
        following = replace(
            claim,
            token=claim.token._replace(status=TokenStatus.RUNNING),
            fence=claim.fence + 1,
            pass_number=claim.pass_number + 1,
            begun_at=unit.plan.begun_at,
            revision=unit.revision + 1,
            rows_since=0,
            results=None,
            lines=[],
            row_at=None,
            waits=[unit.wait_over()],
        )
        asleep = Asleep(claim.token_id, claim.fence, unit.revision, unit.wait_id, claim.queue)
        with self._lock:
            heappush(self._heap, _Sleeper(unit.due, next(self._numbers), following, asleep))

    def due(self, now: int) -> bool:
        """Whether some are due."""
        heap = self._heap
        return bool(heap) and heap[0].due <= now

    def wake(self, now: int, free: Mapping[str, int]) -> list[Claim]:
        """Claim those that are due and have a free slot; what cannot be woken here is forgotten."""
        chosen = self._take(now, dict(free))
        if not chosen:
            return []
        moves = {each.asleep.id: self._runner.move_on(each.claim) for each in chosen}
        compared = self._holdings.comparisons
        failpoint("before_claim", self._worker_id)
        steps = [row for move in moves.values() if move is not None for row in move.rows_ahead()]
        woken: set[str] = self._committer.run(partial(self._wake, [each.asleep for each in chosen], steps))
        failpoint("after_claim", self._worker_id)
        for id_, move in moves.items():
            if move is not None and id_ in woken:
                self._runner.moved_on(move)
        claims = [each.claim for each in chosen if each.asleep.id in woken]
        for claim in claims:
            claim.compared = compared
        return claims

    def _wake(self, asleep: Sequence[Asleep], steps: Sequence[Row], tx: Transaction) -> set[str]:
        woken = wake(tx, asleep, steps, self._worker_id, self._lease_us)
        if woken:
            failpoint("inside_wake", self._worker_id)
            failpoint("inside_claim", self._worker_id)
        return woken

    def _take(self, now: int, free: dict[str, int]) -> list[_Sleeper]:
        chosen: list[_Sleeper] = []
        later: list[_Sleeper] = []
        with self._lock:
            while self._heap and self._heap[0].due <= now and any(free.values()):
                sleeper = heappop(self._heap)
                claim = sleeper.claim
                if not _is_current(claim):
                    continue  # whoever loads it judges whether it fits
                if free.get(claim.queue, 0) > 0:
                    free[claim.queue] -= 1
                    chosen.append(sleeper)
                else:
                    later.append(sleeper)
            for sleeper in later:
                heappush(self._heap, sleeper)
        return chosen


def _is_current(claim: Claim) -> bool:
    """Whether its workflow was not defined anew meanwhile."""
    name = claim.workflow.name
    return name in registry and registry.get(name) is claim.workflow
