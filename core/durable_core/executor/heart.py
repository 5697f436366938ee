"""The heart of a worker: renews its leases, and finds out which of them are lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from durable_core.clock import Clock, monotonic
from durable_core.errors import StoreError
from durable_core.executor.claim import Claim
from durable_core.executor.holdings import Holdings
from durable_core.failpoints import failpoint
from durable_core.store import claims
from durable_core.store.commit import Committer

log = logging.getLogger("durable_studio.executor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactions:
    """What the heart has its worker do."""

    lost: Callable[[Claim], None]
    """The claim's lease is somebody else's."""
    give_back: Callable[[str, int], None]
    """Nobody works on this token under this fence."""


class Heart:
    """Beats three times a lease, and when somebody asks for it."""

    def __init__(
        self,
        worker_id: str,
        lease: float,
        holdings: Holdings,
        committer: Committer,
        clock: Clock,
        reactions: Reactions,
    ) -> None:
        self.worker_id = worker_id
        self.lease = lease
        self._holdings = holdings
        self._committer = committer
        self._monotonic = monotonic(clock)
        self._reactions = reactions
        self._beating = threading.Lock()
        self._orphans: dict[tuple[str, int], float] = {}
        self._deadline = 0.0

    def begin(self) -> None:
        """The leases begin now."""
        self._deadline = self._monotonic() + self.lease

    def loop(self, stop: threading.Event) -> None:
        """Beat until told to stop."""
        while not stop.wait(max(0.05, self.lease / 3)):
            try:
                with self._beating:
                    self._beat()
            except StoreError as error:
                log.warning("worker %s cannot renew its leases: %s", self.worker_id, error)

    def see_to_leases(self) -> None:
        """Make sure that leases are good now: this process may have been frozen, or the store away."""
        if self._monotonic() >= self._deadline:
            with self._beating:  # one thread finds out for all what is still ours
                if self._monotonic() >= self._deadline:
                    self._beat()

    def proves(self, claim: Claim) -> bool:
        """Ask the store about a claim that the last comparison did not see."""
        claim.doubtful = not self._is_stored_as_held(claim)
        return not claim.doubtful

    def _is_stored_as_held(self, claim: Claim) -> bool:
        with self._committer.database.read() as tx:
            return claims.is_held(tx, claim.token_id, claim.fence)

    def _beat(self) -> None:
        failpoint("before_heartbeat", self.worker_id)
        began = self._monotonic()
        lease_us = int(self.lease * 1_000_000)
        owned: dict[str, int] = self._committer.run(lambda tx: claims.renew(tx, self.worker_id, lease_us))
        lost, orphans = self._holdings.compared(owned)
        self._give_back(orphans)
        for claim in lost:
            if self._lost_for_good(claim):
                log.warning("execution %s: lease of %s was lost", claim.execution_id, claim.token_id)
                self._reactions.lost(claim)
        self._deadline = began + self.lease
        failpoint("after_heartbeat", self.worker_id)

    def _give_back(self, orphans: dict[str, int]) -> None:
        """Tokens that are ours in the store, and that nobody here has worked on for a whole lease (E-3).

        What was claimed a moment ago and is still being loaded is not held either, for as long as that takes.
        """
        now = self._monotonic()
        young: dict[tuple[str, int], float] = {}
        for token_id, fence in orphans.items():
            since = self._orphans.get((token_id, fence), now)
            if now - since < self.lease:
                young[token_id, fence] = since
            elif self._holdings.bar(token_id, fence):
                log.warning("worker %s gives %s back: nobody works on it", self.worker_id, token_id)
                self._reactions.give_back(token_id, fence)
        self._orphans = young

    def _lost_for_good(self, claim: Claim) -> bool:
        """Whether the token is no longer this claim's; it may just have moved on since the heartbeat was read."""
        if self._is_stored_as_held(claim) or not self._holdings.holds(claim):
            return False
        time.sleep(0.05)  # a record that is on its way has the time to arrive
        return self._holdings.holds(claim)
