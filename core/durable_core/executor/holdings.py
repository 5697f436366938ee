"""What a worker holds: its claims, and the slots that they take in each queue."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from durable_core.executor.claim import Claim


class Holdings:
    """Claims by the id of their token; every method may be called from any thread."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.limits = limits
        self.claims: dict[str, Claim] = {}
        self.abandoned: dict[int, Claim] = {}
        """Claims whose body went over its timeout and still runs, by identity: they keep their slots."""
        self.comparisons = 0
        """How often what is held was compared with the store. A claim that was made before one of them and is taken up
        after it escaped it: its worker may have been frozen between the two."""
        self._taken: dict[str, int] = dict.fromkeys(limits, 0)
        self._given_back: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    # --- slots -----------------------------------------------------------------------------------------------------

    def room(self, queue: str) -> int:
        """How many more tokens of a queue there are slots for."""
        return self.limits.get(queue, 0) - self._taken.get(queue, 0)

    def free(self) -> dict[str, int]:
        """The queues that have free slots, and how many."""
        with self._lock:
            return {queue: count for queue in self.limits if (count := self.room(queue)) > 0}

    @property
    def nearly_full(self) -> bool:
        """Whether so little is free that a claim would be for a few tokens of many."""
        return all(8 * self.room(queue) < limit for queue, limit in self.limits.items())

    # --- claims ----------------------------------------------------------------------------------------------------

    def holds(self, claim: Claim) -> bool:
        """Whether this very claim is (still) held."""
        return self.claims.get(claim.token_id) is claim

    def add(self, claim: Claim) -> bool:
        """Hold a claim and take a slot for it.

        False when it is held already (given back for want of a worker, and claimed again by this one: once is enough),
        and when its token is on its way back.
        """
        with self._lock:
            before = self.claims.get(claim.token_id)
            if before is not None and before.fence == claim.fence:
                return False
            if (claim.token_id, claim.fence) in self._given_back:
                return False
            self._hold(claim)
            self._take(claim.queue)
            return True

    def remove(self, claim: Claim) -> None:
        """Hold it no longer. The slot of an abandoned one is free when its body ends."""
        with self._lock:
            self._forget(claim)
            if not claim.abandoned:
                self._taken[claim.queue] -= 1

    def replace(self, claim: Claim, following: Claim) -> None:
        """Go on with another claim in the slot of the first."""
        with self._lock:
            self._forget(claim)
            if (following.token_id, following.fence) not in self._given_back:
                self._hold(following)
            if claim.abandoned:
                self._take(following.queue)
            elif following.queue != claim.queue:
                self._taken[claim.queue] -= 1
                self._take(following.queue)

    def abandon(self, claim: Claim) -> None:
        """Its body went over the timeout, and still runs."""
        with self._lock:
            self.abandoned[id(claim)] = claim

    def abandoned_end(self, claim: Claim) -> None:
        """The body of an abandoned claim has ended at last."""
        with self._lock:
            self.abandoned.pop(id(claim), None)
            self._taken[claim.queue] -= 1

    def clear(self) -> None:
        """Forget every claim, as the dead do."""
        with self._lock:
            self.claims.clear()

    # --- against the store -----------------------------------------------------------------------------------------

    def compared(self, owned: Mapping[str, int]) -> tuple[list[Claim], dict[str, int]]:
        """The claims that the store does not know (any more), and the fences of its tokens that are not held here."""
        with self._lock:
            self.comparisons += 1
            lost = [claim for claim in self.claims.values() if owned.get(claim.token_id) != claim.fence]
            return lost, {token: fence for token, fence in owned.items() if token not in self.claims}

    def bar(self, token_id: str, fence: int) -> bool:
        """Let nobody here take up a token that goes back; False when somebody has."""
        with self._lock:
            if token_id in self.claims:
                return False
            self._given_back.add((token_id, fence))
            return True

    def _hold(self, claim: Claim) -> None:
        claim.doubtful = claim.compared != self.comparisons
        self.claims[claim.token_id] = claim

    def _take(self, queue: str) -> None:
        self._taken[queue] = self._taken.get(queue, 0) + 1

    def _forget(self, claim: Claim) -> None:
        if self.claims.get(claim.token_id) is claim:
            del self.claims[claim.token_id]
