"""Sweeps: what no event announces. Dead workers, expired leases, deadlines, requests to stop, and what fits again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from durable_core.bus.local import LocalBus
from durable_core.bus.messages import Message
from durable_core.errors import StoreError
from durable_core.executor.deadlines import expire_deadlines
from durable_core.executor.definitions import Definitions
from durable_core.executor.holdings import Holdings
from durable_core.executor.oslock import host_identity
from durable_core.executor.takeover import bury, dead_workers, take_over_expired
from durable_core.executor.versions import Unblocker, unblock
from durable_core.failpoints import failpoint
from durable_core.store import statements as sql
from durable_core.store.commit import Committer

SWEEP_SECONDS = 1.0
"""How often dead workers and expired leases are looked for."""

log = logging.getLogger("durable_studio.executor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What a sweep needs of its worker."""

    stopping: Callable[[], bool]
    """Whether it takes nothing up any more."""
    take_up: Callable[[Sequence[str]], None]
    """Begin to work on tokens that were just claimed for it."""
    interrupt: Callable[[str], None]
    """Ask the body that runs for a token to stop."""
    wake: Callable[[], None]
    """There may be work to claim."""


class Sweeper:
    """Sweeps for one worker."""

    def __init__(
        self,
        worker_id: str,
        lease_us: int,
        holdings: Holdings,
        committer: Committer,
        definitions: Definitions,
        bus: LocalBus,
        hands: Hands,
    ) -> None:
        self.worker_id = worker_id
        self.lease_us = lease_us
        self._holdings = holdings
        self._committer = committer
        self._definitions = definitions
        self._bus = bus
        self._hands = hands
        self._unblocker = Unblocker(definitions)

    def loop(self, stop: threading.Event) -> None:
        """Sweep until told to stop."""
        while not stop.wait(SWEEP_SECONDS):
            try:
                self.sweep()
            except StoreError as error:
                log.warning("worker %s cannot sweep: %s", self.worker_id, error)
            except Exception:
                log.exception("worker %s: sweeping failed", self.worker_id)

    def sweep(self) -> None:
        """Look for everything once."""
        recovered = self._take_over()
        self.heed_stop_requests()
        self.deadlines()
        self._unblock()
        if recovered:
            self._hands.wake()

    def _take_over(self) -> int:
        """Make ready again what the dead and the silent hold; returns how many tokens."""
        stored = self._definitions.stored
        with self._committer.database.read() as tx:
            dead = dead_workers(tx, self.worker_id, host_identity())
            expired = tx.fetch(sql.EXPIRED_TOKENS, {"now": tx.now()})
        recovered = 0
        if dead or expired:
            failpoint("before_takeover", self.worker_id)
        for worker_id in dead:
            recovered += self._committer.run(partial(bury, worker_id=worker_id, definition_of=stored))
        if expired:
            recovered += self._committer.run(lambda tx: take_over_expired(tx, stored))
        if recovered:
            failpoint("after_takeover", self.worker_id)
        return recovered

    def heed_stop_requests(self) -> None:
        """Another process may have cancelled something: ask the bodies it names to stop."""
        if not self._holdings.claims:
            return
        with self._committer.database.read() as tx:
            asked = tx.fetch(sql.STOP_REQUESTS, {"worker": self.worker_id})
        for (token_id,) in asked:
            self._hands.interrupt(token_id)

    def deadlines(self) -> bool:
        """Let executions that ran over their workflow's timeout fail."""
        hands = self._hands
        return expire_deadlines(self._committer, self._definitions, self._bus, hands.interrupt, hands.wake)

    def _unblock(self) -> None:
        """Take up blocked executions that fit the code of this process (again)."""
        if self._hands.stopping():
            return
        with self._committer.database.read() as tx:
            candidates = self._unblocker.candidates(tx)
        for candidate in candidates:
            settled, taken = self._committer.run(
                partial(
                    unblock,
                    candidate=candidate,
                    definitions=self._definitions,
                    worker_id=self.worker_id,
                    lease_us=self.lease_us,
                    room=self._holdings.free(),
                )
            )
            if settled is None:
                self._unblocker.forget(candidate)
                continue
            log.info("execution %s goes on: its definition fits again", candidate.execution_id)
            self._bus.publish(Message("control", candidate.execution_id, settled.revision, "", settled.status))
            self._hands.take_up(taken)
            if settled.ready:
                self._hands.wake()
